"""The live engine: one desk process per tenant, its journal, its brokers and their control."""
