//! The software bill of materials, as CycloneDX 1.6 JSON. The same input gives the same bytes: no time, no random number.

use serde_json::{Value, json};

use crate::linked::Package;

/// `pkg:cargo/NAME@VERSION` (github.com/package-url/purl-spec, types/cargo).
fn purl(name: &str, version: &str) -> String {
    // `+` of build metadata must be escaped.
    format!("pkg:cargo/{name}@{}", version.replace('+', "%2B"))
}

/// The bill for the archive `name`.
pub(crate) fn sbom(name: &str, version: &str, programs: &[String], packages: &[Package]) -> Value {
    let is_program = |package: &Package| programs.contains(&package.name);
    let components: Vec<Value> = packages
        .iter()
        .map(|package| component(package, is_program(package)))
        .collect();
    let mut dependencies = vec![json!({
        "ref": name,
        "dependsOn": packages.iter().filter(|one| is_program(one))
            .map(|one| purl(&one.name, &one.version)).collect::<Vec<_>>(),
    })];
    dependencies.extend(packages.iter().map(|package| {
        let needs: Vec<String> = package
            .needs
            .iter()
            .map(|(name, version)| purl(name, version))
            .collect();
        json!({"ref": purl(&package.name, &package.version), "dependsOn": needs})
    }));
    json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "component": {"type": "application", "bom-ref": name, "name": "deployment-coordination", "version": version},
            "tools": {"components": [{"type": "application", "name": "cargo xtask dist", "version": env!("CARGO_PKG_VERSION")}]},
        },
        "components": components,
        "dependencies": dependencies,
    })
}

fn component(package: &Package, is_program: bool) -> Value {
    let reference = purl(&package.name, &package.version);
    let mut component = json!({
        "type": if is_program { "application" } else { "library" },
        "bom-ref": reference,
        "name": package.name,
        "version": package.version,
        "scope": "required",
        "licenses": [{"expression": package.license}],
        "purl": reference,
    });
    if let Some(description) = &package.description {
        component["description"] = json!(description);
    }
    if let Some(sum) = &package.checksum {
        component["hashes"] = json!([{"alg": "SHA-256", "content": sum}]);
    }
    if let Some(url) = &package.repository {
        component["externalReferences"] = json!([{"type": "vcs", "url": url}]);
    }
    component
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_what_is_linked_and_what_needs_what() {
        let package = |name: &str, needs: &[(&str, &str)]| Package {
            name: name.to_owned(),
            version: "1.0.0+a".to_owned(),
            license: "MIT OR Apache-2.0".to_owned(),
            folder: "/nowhere".into(),
            checksum: Some("00ff".to_owned()),
            description: None,
            repository: None,
            needs: needs
                .iter()
                .map(|(name, version)| ((*name).to_owned(), (*version).to_owned()))
                .collect(),
        };
        let packages = [package("a", &[("b", "1.0.0+a")]), package("b", &[])];
        let bill = sbom("archive", "1.0.0", &["a".to_owned()], &packages);
        let library = &bill["components"][1];
        assert_eq!(library["purl"], "pkg:cargo/b@1.0.0%2Ba");
        assert_eq!(library["type"], "library");
        assert_eq!(library["hashes"][0]["content"], "00ff");
        assert_eq!(bill["components"][0]["type"], "application");
        let needs = &bill["dependencies"];
        assert_eq!(
            needs[0],
            json!({"ref": "archive", "dependsOn": ["pkg:cargo/a@1.0.0%2Ba"]})
        );
        assert_eq!(needs[1]["dependsOn"], json!(["pkg:cargo/b@1.0.0%2Ba"]));
    }
}
