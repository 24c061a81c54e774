//! Which region to ask.

use aws_config::environment::EnvironmentVariableRegionProvider;
use aws_config::meta::region::RegionProviderChain;
use aws_config::profile::ProfileFileRegionProvider;

/// The region of `AWS_REGION`, `AWS_DEFAULT_REGION` or the profile, else `fallback`. The instance metadata service, which the
/// SDK would ask last, is left out: on a machine that has none, asking costs seconds.
pub(crate) async fn resolve(fallback: &str) -> String {
    let chain = RegionProviderChain::first_try(EnvironmentVariableRegionProvider::new())
        .or_else(ProfileFileRegionProvider::new());
    let found = chain.region().await.map(|region| region.to_string());
    // An Actions variable that is not set arrives as an empty one.
    found
        .filter(|region| !region.is_empty())
        .unwrap_or_else(|| fallback.to_owned())
}
