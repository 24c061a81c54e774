//! The few requests that the registry makes of its table. Every read is strongly consistent, every write conditional.

use std::collections::HashMap;

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::error::ConditionalCheckFailedException;
use aws_sdk_dynamodb::types::{
    AttributeValue, KeysAndAttributes, ReturnValuesOnConditionCheckFailure,
};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use registry_core::store::StoreError;

use crate::address::Address;
use crate::error::Trouble;
use crate::item::{
    ATTEMPT, Attributes, ENDED_AT, ENDED_PREFIX, ENVIRONMENTS, Key, PK, SK, text, was_written_by,
};
use crate::session::Connected;

/// https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchGetItem.html
const MOST_IN_A_BATCH: usize = 100;

/// What became of a conditional write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub(crate) enum Written {
    /// It was made.
    Yes,
    /// Another was there first.
    No,
}

/// One namespace of one table.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) name: String,
    pub(crate) namespace: String,
    pub(crate) connected: Connected,
}

impl Table {
    pub(crate) fn new(address: &Address, connected: Connected) -> Self {
        Self {
            name: address.table.clone(),
            namespace: address.namespace.clone(),
            connected,
        }
    }

    pub(crate) fn trouble<E>(&self, action: &str, error: &SdkError<E, HttpResponse>) -> Trouble
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        Trouble::sort(action, &self.name, &self.connected.region, error)
    }

    /// One item.
    pub(crate) async fn get(&self, key: &Key) -> Result<Option<Attributes>, Trouble> {
        let answer = self
            .connected
            .client
            .get_item()
            .table_name(&self.name)
            .set_key(Some(key.attributes()))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| self.trouble("dynamodb:GetItem", &error))?;
        Ok(answer.item)
    }

    /// Many items; those that do not exist are missing from the answer.
    pub(crate) async fn get_all(&self, keys: &[Key]) -> Result<HashMap<Key, Attributes>, Trouble> {
        let mut found = HashMap::new();
        for some in keys.chunks(MOST_IN_A_BATCH) {
            let mut wanted: Vec<Attributes> = some.iter().map(Key::attributes).collect();
            while !wanted.is_empty() {
                let (items, left) = self.get_batch(wanted).await?;
                if items.is_empty() && !left.is_empty() {
                    // Nothing fits through: the table is throttled.
                    return Err(Trouble::Contended);
                }
                found.extend(
                    items
                        .into_iter()
                        .filter_map(|item| Some((Key::of(&item)?, item))),
                );
                wanted = left;
            }
        }
        Ok(found)
    }

    async fn get_batch(
        &self,
        wanted: Vec<Attributes>,
    ) -> Result<(Vec<Attributes>, Vec<Attributes>), Trouble> {
        let keys = KeysAndAttributes::builder()
            .set_keys(Some(wanted))
            .consistent_read(true)
            .build()
            .map_err(|error| StoreError::Unavailable(error.to_string()))?;
        let answer = self
            .connected
            .client
            .batch_get_item()
            .request_items(&self.name, keys)
            .send()
            .await
            .map_err(|error| self.trouble("dynamodb:BatchGetItem", &error))?;
        let items = answer
            .responses
            .into_iter()
            .flatten()
            .flat_map(|(_, items)| items);
        let left = answer
            .unprocessed_keys
            .into_iter()
            .flatten()
            .flat_map(|(_, keys)| keys.keys);
        Ok((items.collect(), left.collect()))
    }

    /// Everything that has an item of its own because it has ended in `environment`.
    pub(crate) async fn ended(&self, environment: &str) -> Result<Vec<Attributes>, Trouble> {
        let pk = Key::slot(&self.namespace, environment).pk;
        let mut items = Vec::new();
        let mut from = None;
        loop {
            let (page, next) = self.page(&pk, ENDED_PREFIX, from).await?;
            items.extend(page);
            if next.is_none() {
                return Ok(items);
            }
            from = next;
        }
    }

    /// One page of the items under `pk` whose sort keys begin with `prefix`; and where the next one begins.
    pub(crate) async fn page(
        &self,
        pk: &str,
        prefix: &str,
        from: Option<Attributes>,
    ) -> Result<(Vec<Attributes>, Option<Attributes>), Trouble> {
        let answer = self
            .connected
            .client
            .query()
            .table_name(&self.name)
            .consistent_read(true)
            .key_condition_expression("#pk = :pk AND begins_with(#sk, :prefix)")
            .expression_attribute_names("#pk", PK)
            .expression_attribute_names("#sk", SK)
            .expression_attribute_values(":pk", text(pk))
            .expression_attribute_values(":prefix", text(prefix))
            .set_exclusive_start_key(from)
            .send()
            .await
            .map_err(|error| self.trouble("dynamodb:Query", &error))?;
        let next = answer.last_evaluated_key.filter(|key| !key.is_empty());
        Ok((answer.items.unwrap_or_default(), next))
    }

    /// Writes `item` if what is stored was still written by `seen` (`None`: if nothing is stored). `attempt` is the item's own:
    /// where the condition fails because this very write was made before and only its reply was lost, it has
    /// been made.
    pub(crate) async fn put(
        &self,
        key: &Key,
        item: Attributes,
        seen: Option<&str>,
        attempt: &str,
    ) -> Result<Written, Trouble> {
        let request = self
            .connected
            .client
            .put_item()
            .table_name(&self.name)
            .set_item(Some(item))
            .expression_attribute_names("#attempt", ATTEMPT)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let request = match seen {
            Some(seen) => request
                .condition_expression("#attempt = :seen")
                .expression_attribute_values(":seen", text(seen)),
            // An item that a person wrote by hand has no attempt; it may be written over by one who has read it so.
            None => request.condition_expression("attribute_not_exists(#attempt)"),
        };
        match request.send().await {
            Ok(_) => Ok(Written::Yes),
            Err(error) => match refused_with(&error) {
                Some(refused) => match &refused.item {
                    Some(stored) => Ok(made(stored, attempt)),
                    // Emulators refuse without the item.
                    None => Ok(self
                        .get(key)
                        .await?
                        .map_or(Written::No, |stored| made(&stored, attempt))),
                },
                None => {
                    self.after(key, attempt, self.trouble("dynamodb:PutItem", &error))
                        .await
                }
            },
        }
    }

    // A write without an answer, or one that was asked again, may have been made.
    async fn after(&self, key: &Key, attempt: &str, trouble: Trouble) -> Result<Written, Trouble> {
        match trouble {
            Trouble::Unclear(_) | Trouble::Contended => match self.get(key).await {
                Ok(Some(stored)) if was_written_by(&stored, attempt) => Ok(Written::Yes),
                Ok(_) | Err(_) => Err(trouble),
            },
            Trouble::Refused(_) | Trouble::Credentials(_) => Err(trouble),
        }
    }

    /// Whether this role may do what a change does, with requests that change nothing: their conditions can never hold, and
    /// rights are looked at before conditions.
    pub(crate) async fn try_rights(&self) -> Result<(), Trouble> {
        const NEVER: &str = "attribute_exists(#pk) AND attribute_not_exists(#pk)";
        let key = Key::index(&self.namespace).attributes();
        let put = self.connected.client.put_item().table_name(&self.name);
        let put = put
            .set_item(Some(key.clone()))
            .condition_expression(NEVER)
            .expression_attribute_names("#pk", PK);
        match put.send().await {
            Err(error) if refused_with(&error).is_none() => {
                return Err(self.trouble("dynamodb:PutItem", &error));
            }
            Ok(_) | Err(_) => {}
        }
        let update = self.connected.client.update_item().table_name(&self.name);
        let update = update
            .set_key(Some(key))
            .condition_expression(NEVER)
            .expression_attribute_names("#pk", PK)
            .update_expression("REMOVE doctor");
        let refused = |error: &UpdateItemError| error.is_conditional_check_failed_exception();
        match update.send().await {
            Err(error) if !error.as_service_error().is_some_and(refused) => {
                Err(self.trouble("dynamodb:UpdateItem", &error))
            }
            Ok(_) | Err(_) => Ok(()),
        }
    }

    /// Writes an item of what has ended, unless a newer one is there.
    pub(crate) async fn put_ended(&self, item: Attributes) -> Result<(), Trouble> {
        let at = item.get(ENDED_AT).cloned();
        let answer = self
            .connected
            .client
            .put_item()
            .table_name(&self.name)
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(#at) OR #at <= :at")
            .expression_attribute_names("#at", ENDED_AT)
            .set_expression_attribute_values(at.map(|at| HashMap::from([(":at".to_owned(), at)])))
            .send()
            .await;
        match answer {
            Ok(_) => Ok(()),
            Err(error) if refused_with(&error).is_some() => Ok(()),
            Err(error) => Err(self.trouble("dynamodb:PutItem", &error)),
        }
    }

    /// Adds `environment` to the list of environments.
    pub(crate) async fn add_to_index(&self, environment: &str) -> Result<(), Trouble> {
        self.connected
            .client
            .update_item()
            .table_name(&self.name)
            .set_key(Some(Key::index(&self.namespace).attributes()))
            .update_expression("ADD #environments :name")
            .expression_attribute_names("#environments", ENVIRONMENTS)
            .expression_attribute_values(":name", AttributeValue::Ss(vec![environment.to_owned()]))
            .send()
            .await
            .map_err(|error| self.trouble("dynamodb:UpdateItem", &error))?;
        Ok(())
    }
}

fn made(stored: &Attributes, attempt: &str) -> Written {
    if was_written_by(stored, attempt) {
        Written::Yes
    } else {
        Written::No
    }
}

/// The condition did not hold; with the stored item, where the answer has it.
fn refused_with(
    error: &SdkError<PutItemError, HttpResponse>,
) -> Option<&ConditionalCheckFailedException> {
    match error.as_service_error()? {
        PutItemError::ConditionalCheckFailedException(failed) => Some(failed),
        _ => None,
    }
}
