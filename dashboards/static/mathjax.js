// Pages have no formulas. The stock front end asks for their typesetter all the same, and finds this instead.
window.MathJax = { Hub: { Config() {}, Configured() {}, Queue() {}, Register: { StartupHook() {} } } };
