// Compiles CQL libraries with the official translator: [cql] on stdin, [{errors, elm}] on stdout.
import fs from "node:fs";
import path from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const here = path.dirname(fileURLToPath(import.meta.url));
const modules = process.env.PRECERT_NODE_MODULES || path.join(here, "node_modules");
const at = (file) => import(pathToFileURL(path.join(modules, "@cqframework", "cql", file)).href);
const { CqlTranslator, LibraryManager, ModelManager, createModelInfoProvider, createUcumService, stringAsSource } =
  await at("cql-to-elm.mjs");
const { SystemModelInfoProvider } = await at("cql.mjs");

const fhir = fs.readFileSync(path.join(modules, "cql-exec-fhir", "lib", "modelInfos", "fhir-modelinfo-4.0.1.xml"), "utf8");
const output = [];
for (const cql of JSON.parse(fs.readFileSync(0, "utf8"))) {
  const models = new ModelManager();
  const loader = models.modelInfoLoader;
  loader.registerModelInfoProvider(new SystemModelInfoProvider());
  loader.registerModelInfoProvider(createModelInfoProvider((name) => (name === "FHIR" ? stringAsSource(fhir) : null)));
  const ucum = createUcumService((value) => value, () => null, (a) => a, (a) => a);
  const libraries = new LibraryManager(models, undefined, undefined, ucum);
  const translator = CqlTranslator.fromText(cql, libraries);
  const errors = [...translator.errors.asJsReadonlyArrayView()].map((error) => String(error.message));
  output.push({ errors, elm: JSON.parse(translator.toJson()) });
}
process.stdout.write(JSON.stringify(output));
