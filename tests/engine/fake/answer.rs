//! Answers requests: finds the object, checks the permission, and chooses the verb.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::kinds::{Route, Target, has_group, parameters};
use super::managers::{Manager, Operation};
use super::refusal::Refusal;
use super::store::{Effect, Store};
use super::verbs::{Answer, Write};
use super::wire::{Request, Response};

impl Store {
    /// Answers a request.
    pub(super) fn answer(&mut self, request: &Request) -> Response {
        let (path, query) = request.target.split_once('?').unwrap_or((&request.target, ""));
        match Route::of(path) {
            Route::Version => {
                Response::json(200, &json!({"major": "1", "gitVersion": self.version}))
            }
            Route::Group(group) if has_group(&group) && !self.unserved.contains(&group) => {
                Response::json(200, &json!({"kind": "APIGroup", "apiVersion": "v1", "name": group}))
            }
            Route::AccessReview => Response::json(201, &self.review(&request.body())),
            Route::Objects(target) if !self.unserved.contains(target.kind.group) => {
                match self.act(request, target, &parameters(query)) {
                    Ok((code, object)) => Response::json(code, &object),
                    Err(refusal) => Response::json(refusal.code, &refusal.to_json()),
                }
            }
            Route::Group(_) | Route::Objects(_) | Route::Unknown => Response::not_served(),
        }
    }

    fn review(&self, review: &Value) -> Value {
        let asked = &review["spec"]["resourceAttributes"];
        let text = |key: &str| asked[key].as_str().unwrap_or_default().to_owned();
        let is_allowed = !self.denied.contains(&(text("verb"), text("resource")));
        let mut review = review.clone();
        review["status"] = json!({"allowed": is_allowed});
        review
    }

    fn act(
        &mut self,
        request: &Request,
        target: Target,
        query: &BTreeMap<String, String>,
    ) -> Answer {
        let verb = match (request.method.as_str(), target.name.as_str()) {
            ("GET", "") => "list",
            ("GET", _) => "get",
            ("POST", _) => "create",
            ("PUT", _) => "update",
            ("PATCH", _) => "patch",
            _ => "delete",
        };
        self.permit(&target, verb)?;
        let write = Write {
            manager: Manager {
                operation: if verb == "patch" { Operation::Apply } else { Operation::Update },
                name: query.get("fieldManager").cloned().unwrap_or_else(|| "unknown".to_owned()),
                subresource: None,
                api_version: target.kind.api_version(),
            },
            target,
            is_forced: query.get("force").is_some_and(|force| force == "true"),
            effect: if query.contains_key("dryRun") { Effect::Nothing } else { Effect::Stored },
            body: &request.body(),
        };
        match verb {
            "list" => Ok((200, self.list(&write.target, query))),
            "get" => self.find(&write.target).map(|object| (200, object.clone())),
            "create" => self.create(write),
            "update" => self.replace(write),
            "patch" if request.content_type() == "application/apply-patch+yaml" => {
                self.apply(write)
            }
            "patch" => Err(Refusal::bad_request("the fake plays server-side apply only")),
            _ => self.delete(&write),
        }
    }

    pub(super) fn permit(&self, target: &Target, verb: &str) -> Result<(), Refusal> {
        let is_denied = self.denied.contains(&(verb.to_owned(), target.kind.plural.to_owned()));
        if is_denied { Err(Refusal::forbidden(target, verb)) } else { Ok(()) }
    }

    fn list(&self, target: &Target, query: &BTreeMap<String, String>) -> Value {
        let of = |object: &Value, path: &str| {
            object.pointer(path).and_then(Value::as_str).map(str::to_owned)
        };
        let conditions = |name: &str| {
            let all = query.get(name).map(String::as_str).unwrap_or_default().to_owned();
            let pairs = all.split(',').filter_map(|pair| pair.split_once('='));
            pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect::<Vec<_>>()
        };
        let (labels, fields) = (conditions("labelSelector"), conditions("fieldSelector"));
        let is_selected = |object: &&Value| {
            let label = |key: &str| {
                of(&object["metadata"]["labels"], &format!("/{}", key.replace('/', "~1")))
            };
            labels.iter().all(|(key, value)| label(key).as_ref() == Some(value))
                && fields.iter().all(|(key, value)| {
                    of(object, &format!("/{}", key.replace('.', "/"))).as_ref() == Some(value)
                })
        };
        let all = self.objects.iter().filter(|((plural, namespace, _), _)| {
            *plural == target.kind.plural
                && (target.namespace.is_empty() || *namespace == target.namespace)
        });
        let items: Vec<Value> =
            all.map(|(_, object)| object).filter(is_selected).map(bare).collect();
        json!({"apiVersion": target.kind.api_version(), "kind": format!("{}List", target.kind.name),
            "metadata": {"resourceVersion": self.count.to_string()}, "items": items})
    }
}

/// Returns an item of a list: servers leave out what the list says.
fn bare(object: &Value) -> Value {
    let mut object = object.clone();
    let fields = object.as_object_mut().unwrap();
    fields.remove("apiVersion");
    fields.remove("kind");
    object
}
