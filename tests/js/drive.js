// An independent client: drives a daemon by the committed .proto files alone, as somebody would
// who has never seen ours.
//
//   node drive.js REQUEST.json     prints one JSON object: what the daemon answered
//
// The request: {modules, protos, target, ca, token, spec, endless}. `modules` is the folder in
// which npm has installed package.json, `protos` the one with finetuned/v1. `ca` and `token` are
// empty on a unix socket.
'use strict';

const fs = require('node:fs');
const path = require('node:path');
const { createRequire } = require('node:module');

const request = JSON.parse(fs.readFileSync(process.argv[2], 'utf8'));
const load = createRequire(path.join(request.modules, 'package.json'));
const grpc = load('@grpc/grpc-js');
const loader = load('@grpc/proto-loader');
const { protoPath: healthProto } = load('grpc-health-check');

const reflectionProto = path.join(
  path.dirname(load.resolve('@grpc/reflection/package.json')),
  'build/proto/grpc/reflection/v1alpha/reflection.proto',
);
const DEADLINE_MS = 60_000;
const OPTIONS = { keepCase: true, longs: String, enums: String, oneofs: true };

async function main() {
  const jobs = client('finetuned/v1/job_service.proto', 'finetuned.v1.JobService');
  const health = client(healthProto, 'grpc.health.v1.Health');
  const mirror = client(reflectionProto, 'grpc.reflection.v1alpha.ServerReflection');
  return {
    health: await call(health, 'Check', { service: 'finetuned.v1.JobService' }),
    reflection: await reflect(mirror),
    trained: await follow(jobs, request.spec),
    cancelled: await cancel(jobs, request.endless),
    unknown: await refusal(jobs, { job: 'no-such-job' }),
    // Without the token, where there is one.
    stranger: request.token
      ? await refusal(jobs, { job: request.spec.name }, new grpc.Metadata())
      : null,
  };
}

// --- what is driven ------------------------------------------------------------------------

async function reflect(mirror) {
  const services = await ask(mirror, { list_services: '*' });
  const files = await ask(mirror, { file_containing_symbol: 'finetuned.v1.JobService' });
  return {
    services: services.list_services_response.service.map((service) => service.name).sort(),
    files: files.file_descriptor_response.file_descriptor_proto.length,
  };
}

async function ask(mirror, question) {
  const stream = mirror.ServerReflectionInfo(metadata(), { deadline: deadline() });
  stream.write(question);
  stream.end();
  const [answer] = await collected(stream);
  return answer;
}

async function follow(jobs, spec) {
  const { job } = await call(jobs, 'SubmitJob', { spec, request_id: `js-${spec.name}` });
  const again = await call(jobs, 'SubmitJob', { spec, request_id: `js-${spec.name}` });
  const events = await collected(watch(jobs, job.id));
  const end = await call(jobs, 'GetJob', { job: job.id });
  return {
    id: job.id,
    is_idempotent: again.job.id === job.id,
    sequences: events.map(({ event }) => Number(event.sequence)),
    kinds: [...new Set(events.map(({ event }) => event.event))].sort(),
    states: states(events),
    losses: events.filter(({ event }) => event.epoch).map(({ event }) => event.epoch.train.loss),
    reason: end.job.outcome.reason,
    user: end.job.user,
  };
}

async function cancel(jobs, spec) {
  const { job } = await call(jobs, 'SubmitJob', { spec });
  const stream = watch(jobs, job.id);
  const events = [];
  for await (const told of stream) {
    events.push(told);
    if (told.event.state_changed?.state === 'JOB_STATE_RUNNING') {
      await call(jobs, 'CancelJob', { job: job.id });
    }
  }
  return { id: job.id, states: states(events) };
}

function watch(jobs, job) {
  return jobs.WatchJob({ job, after_sequence: 0 }, metadata(), { deadline: deadline() });
}

function states(events) {
  return events.flatMap(({ event }) => event.state_changed?.state ?? []);
}

async function refusal(jobs, message, told) {
  try {
    await call(jobs, 'GetJob', message, told);
  } catch (error) {
    return { code: grpc.status[error.code], details: error.details };
  }
  return { code: 'OK', details: '' };
}

// --- how it is driven ----------------------------------------------------------------------

function client(proto, name) {
  const definition = loader.loadSync(proto, { ...OPTIONS, includeDirs: [request.protos] });
  const all = grpc.loadPackageDefinition(definition);
  const Service = name.split('.').reduce((scope, part) => scope[part], all);
  const credentials = request.ca
    ? grpc.credentials.createSsl(fs.readFileSync(request.ca))
    : grpc.credentials.createInsecure();
  return new Service(request.target, credentials);
}

function metadata() {
  const told = new grpc.Metadata();
  if (request.token) told.set('authorization', `Bearer ${request.token}`);
  return told;
}

function deadline() {
  return Date.now() + DEADLINE_MS;
}

function call(service, method, message, told = metadata()) {
  return new Promise((resolve, reject) => {
    service[method](message, told, { deadline: deadline() }, (error, answer) =>
      error ? reject(error) : resolve(answer),
    );
  });
}

async function collected(stream) {
  const all = [];
  for await (const message of stream) all.push(message);
  return all;
}

main().then(
  (answers) => console.log(JSON.stringify(answers)),
  (error) => {
    console.error(error);
    process.exitCode = 1;
  },
);
