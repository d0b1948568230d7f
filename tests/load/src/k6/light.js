// The light tenant: calls at a constant rate, whatever becomes of the ones before (open model), each of
// which retries as real clients do. What a tenant feels is a call, with its retries and its waits.

import http from 'k6/http';
import { sleep } from 'k6';
import { Counter, Trend } from 'k6/metrics';

const calls = new Trend('light_call', true);
const attempts = new Counter('light_attempt');
const errors = new Counter('light_error');

const batches = JSON.parse(open(__ENV.LIGHT_TOKENS));
const rate = Number(__ENV.LIGHT_RATE);
const deadline = 5000; // a caller who has waited so long has gone
const tries = 3;

export const options = {
  scenarios: {
    light: {
      executor: 'constant-arrival-rate',
      rate,
      timeUnit: '1s',
      duration: `${__ENV.LIGHT_SECONDS}s`,
      // All of them at once: one that is made while the load runs costs a call.
      preAllocatedVUs: Number(__ENV.LIGHT_CLIENTS),
      maxVUs: Number(__ENV.LIGHT_CLIENTS),
      gracefulStop: '6s',
    },
  },
  discardResponseBodies: true,
  systemTags: [],
};

// A batch is used from its time on, so that a token is fresh before the last one expires.
function token() {
  const now = Date.now() / 1000;
  let current = batches[0];
  for (const batch of batches) {
    if (batch.from <= now) current = batch;
  }
  return current.tokens[(__VU + __ITER) % current.tokens.length];
}

// Milliseconds to wait before the next try, or null when there is none.
function wait(response, tried, left) {
  if (tried >= tries || ![0, 429, 503].includes(response.status)) return null;
  const told = Number(response.headers['Retry-After']);
  const ms = told > 0 ? told * 1000 * (1 + Math.random() / 2) : 100 * 2 ** tried * Math.random();
  return ms < left ? ms : null;
}

export default function () {
  const began = Date.now();
  let spent = 0;
  for (let tried = 1; ; tried++) {
    const response = http.post(__ENV.LIGHT_URL, __ENV.LIGHT_BODY, {
      headers: { authorization: `Bearer ${token()}`, 'content-type': 'application/json' },
      timeout: `${Math.max(1, deadline - (Date.now() - began))}ms`,
    });
    const { blocked, connecting, duration } = response.timings;
    spent += blocked + connecting + duration;
    attempts.add(1);
    const served = response.status >= 200 && response.status < 300;
    if (!served) errors.add(1);
    const pause = served ? null : wait(response, tried, deadline - (Date.now() - began));
    if (pause === null) {
      // The clock of the script counts whole milliseconds, and knows of times that ran out.
      calls.add(Math.max(spent, Date.now() - began - 1));
      return;
    }
    sleep(pause / 1000);
    spent += pause;
  }
}
