// node -e <this> -- FILE
// Waits for Redis, then gives the relay its first administrator. FILE, once there, is never changed.
'use strict';
const crypto = require('crypto');
const fs = require('fs');
const net = require('net');

const RETRY_MS = 1000;
const CONNECT_MS = 3000;
const REMIND_MS = 30000;

const file = process.argv[1];
const { ADMIN_USERNAME, ADMIN_PASSWORD, REDIS_HOST, REDIS_PORT } = process.env;

function fail(message) {
  console.error(`prepare: ${message}`);
  process.exit(1);
}

function check() {
  const missing = Object.entries({ ADMIN_USERNAME, ADMIN_PASSWORD, REDIS_HOST, REDIS_PORT })
    .filter(([, value]) => !value)
    .map(([name]) => name);
  if (missing.length > 0) fail(`missing or empty in the environment: ${missing.join(', ')}`);
  // A line break at the end of a Secret's value becomes part of the password, and no login form can send it.
  const untypable = Object.entries({ ADMIN_USERNAME, ADMIN_PASSWORD })
    .filter(([, value]) => /\p{Cc}/u.test(value))
    .map(([name]) => name);
  if (untypable.length > 0) {
    fail(`control characters, such as a line break at the end, in the value of: ${untypable.join(', ')}`);
  }
  if (!/^[0-9]{1,5}$/.test(REDIS_PORT) || REDIS_PORT < 1 || REDIS_PORT > 65535) fail('REDIS_PORT is not a port');
  if (!file) fail('usage: node -e SCRIPT -- FILE');
}

// Resolves to null once connected, else to the error's code.
function connect() {
  return new Promise((resolve) => {
    const socket = net.connect({ host: REDIS_HOST, port: Number(REDIS_PORT) });
    const end = (code) => {
      clearTimeout(timer);
      socket.destroy();
      resolve(code);
    };
    const timer = setTimeout(end, CONNECT_MS, 'no answer');
    socket.once('connect', () => end(null));
    socket.once('error', (error) => end(error.code || error.message));
  });
}

async function waitForRedis() {
  let told = { code: undefined, at: 0 };
  for (;;) {
    const code = await connect();
    if (code === null) break;
    if (code !== told.code || Date.now() - told.at >= REMIND_MS) {
      console.log(`prepare: waiting for Redis at ${REDIS_HOST}:${REDIS_PORT}: ${code}`);
      told = { code, at: Date.now() };
    }
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  }
  console.log(`prepare: Redis at ${REDIS_HOST}:${REDIS_PORT} accepts connections`);
}

// The file appears whole or not at all: a link, unlike a rename, never replaces one that is there.
function writeOnce() {
  const init = {
    initializedAt: new Date().toISOString(),
    adminUsername: ADMIN_USERNAME,
    adminPassword: ADMIN_PASSWORD,
    version: '1.0.0',
  };
  const temporary = `${file}.${crypto.randomBytes(8).toString('hex')}`;
  try {
    const descriptor = fs.openSync(temporary, 'wx', 0o600);
    fs.writeFileSync(descriptor, JSON.stringify(init, null, 2));
    fs.fsyncSync(descriptor);
    fs.closeSync(descriptor);
    fs.linkSync(temporary, file);
    console.log(`prepare: wrote ${file}`);
  } catch (error) {
    if (error.code !== 'EEXIST') throw error;
    console.log(`prepare: ${file} is already there`);
  } finally {
    fs.rmSync(temporary, { force: true });
  }
}

// The first process of a container ignores signals that it does not handle.
process.on('SIGTERM', () => process.exit(143));
process.on('SIGINT', () => process.exit(130));
check();
waitForRedis().then(writeOnce).catch((error) => fail(error.message));
