"""The reference strategies, one per file: written as a quant would write them."""
