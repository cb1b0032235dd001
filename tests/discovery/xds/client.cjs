// A client that is not ours: `node client.cjs ECHO_PROTO TARGET`. For each line of stdin, a JSON object with `count` and
// `metadata`, it makes so many calls one after another, and prints how many each pod answered, or the error.
const readline = require("node:readline");
const grpc = require("@grpc/grpc-js");
const loader = require("@grpc/proto-loader");
require("@grpc/grpc-js-xds").register();

const [proto, target] = process.argv.slice(2);
const { Echo } = grpc.loadPackageDefinition(loader.loadSync(proto)).echo.v1;
const client = new Echo(target, grpc.credentials.createInsecure());

function call(metadata) {
  const deadline = Date.now() + 12000;
  return new Promise((resolve, reject) =>
    client.Echo({ message: "hi" }, metadata, { deadline }, (error, reply) => (error ? reject(error) : resolve(reply))),
  );
}

async function answer(line) {
  const { count, metadata } = JSON.parse(line);
  const given = new grpc.Metadata();
  Object.entries(metadata).forEach(([key, value]) => given.set(key, value));
  const pods = {};
  for (let made = 0; made < count; made++) {
    const { pod } = await call(given);
    pods[pod] = (pods[pod] || 0) + 1;
  }
  return { pods };
}

(async () => {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    console.log(JSON.stringify(await answer(line).catch((error) => ({ error: error.message }))));
  }
  process.exit(0);
})();
