// Loaded into the server by scripts/start.mjs: when the npm that started it is gone, the server stops too.
// Without it, `kill` on npm or its shell would leave the server holding the port and the store.
const parent = process.ppid;

if (process.env.npm_lifecycle_event === 'start') {
  const timer = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(timer);
    process.kill(process.pid, 'SIGTERM');
  }, 500);
  timer.unref();
}
