// Loaded before configurable-http-proxy: requests to unix sockets keep their connection.
//
// The proxy sends them with "Connection: close". A fast server answers and closes while Node still has the empty last
// write of a request's body to do; on a unix socket that write fails with EPIPE, and one POST in ten became a 503.
// With connections that stay open, as the proxy has them for TCP, the write finds its peer (0 of 450 failed).
"use strict";

const http = require("http");

const agent = new http.Agent({ keepAlive: true, maxFreeSockets: 64, timeout: 60000 });
const request = http.request;

http.request = function (options, ...rest) {
  if (options && options.socketPath && options.agent === false) {
    const headers = options.headers || {};
    if (headers.connection === "close") {
      options.agent = agent;
      headers.connection = "keep-alive";
    }
  }
  return request.call(this, options, ...rest);
};
