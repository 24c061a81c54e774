//! Templates, JSON and YAML.

use registry_core::estimate::template::Template;

use crate::assert_a_sentence;

pub(crate) fn run(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    match Template::parse(&text) {
        Ok(template) => {
            for (id, resource) in &template.resources {
                assert!(!resource.waits_for.contains(id), "{id} waits for itself");
                let known = |other: &String| template.resources.contains_key(other);
                // What is no resource has no type, and nothing can be said to wait for it.
                let all: usize = resource
                    .waits_for
                    .iter()
                    .filter(|other| known(other))
                    .count();
                assert!(all <= template.resources.len());
            }
        }
        Err(error) => assert_a_sentence(&error),
    }
}
