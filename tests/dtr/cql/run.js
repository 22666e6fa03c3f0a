// Runs ELM libraries over patient bundles: [{elm, bundle, today}] on stdin, [{define: value}] on stdout.
const path = require("path");
const modules = process.env.PRECERT_NODE_MODULES || path.join(__dirname, "node_modules");
const cql = require(path.join(modules, "cql-execution"));
const fhir = require(path.join(modules, "cql-exec-fhir"));

function plain(value) {
  if (value === null || value === undefined) return null;
  if (value.isQuantity || value.constructor.name === "Quantity") return { value: value.value, unit: value.unit };
  return value;
}

async function main() {
  const input = JSON.parse(require("fs").readFileSync(0, "utf8"));
  const output = [];
  const source = fhir.PatientSource.FHIRv401();
  for (const { elm, bundle, today } of input) {
    const library = new cql.Library(elm, new cql.Repository([elm]));
    const executor = new cql.Executor(library);
    executor.messageListener = new cql.NullMessageListener();
    source.reset();
    source.loadBundles([bundle]);
    const at = cql.DateTime.parse(`${today}T12:00:00.000Z`);
    const results = await executor.exec(source, at);
    const found = Object.values(results.patientResults)[0];
    const shown = {};
    for (const name of Object.keys(found)) if (name !== "Patient") shown[name] = plain(found[name]);
    output.push(shown);
  }
  process.stdout.write(JSON.stringify(output));
}

main().catch((error) => {
  process.stderr.write(String(error.stack || error));
  process.exit(1);
});
