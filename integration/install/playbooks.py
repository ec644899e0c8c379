"""playbooks.py DIR: turns each question of DIR/playbooks into a query by pySigma, with the placeholders filled out of a real alert, and
asks the real Elasticsearch, as Security Onion's console does. DIR/sigma must find exactly the alerts of each rule."""
import glob
import sys

import yaml
from sigma.backends.elasticsearch import LuceneBackend
from sigma.collection import SigmaCollection
from sigma.processing.pipeline import ProcessingPipeline

from objects import ask

# Security Onion's field names for those Sigma fields that the playbooks use (salt/soc/files/soc/sigma_so_pipeline.yaml and
# playbook_placeholder_map.yaml, 2026).
FIELDS = {"src_ip": "source.ip", "dst_ip": "destination.ip", "dst_port": "destination.port", "related_ip": "related.ip", "document_id": "_id",
          "hostname": "host.name", "Image": "process.executable", "User": "user.name"}
TAGS = {"connection": "conn", "dns": "dns", "ssl": "ssl", "http": "http", "file": "file"}
MISSING = "NODATA"


def value(document, path):
    for key in path.split("."):
        document = document.get(key) if isinstance(document, dict) else None
    return document


def convert(text, variables):
    """The Lucene query of a question. An unknown placeholder is an error, as in Security Onion."""
    rule = yaml.safe_load(text)
    rule.pop("aggregation", None)
    pipeline = ProcessingPipeline.from_dict({"name": "test", "priority": 1, "vars": variables, "transformations": [
        {"id": "placeholders", "type": "value_placeholders"}, {"id": "names", "type": "field_name_mapping", "mapping": FIELDS}]})
    query = LuceneBackend(processing_pipeline=pipeline).convert(SigmaCollection.from_dicts([{"title": "question", "logsource": {"category": "test"}, **rule}]))[0]
    source = rule.get("logsource", {})
    if source.get("category") == "alert":
        query = "tags:alert AND (%s)" % query
    elif "service" in source and source["category"] == "network":
        query = "tags:%s AND (%s)" % (TAGS[source["service"]], query)
    elif source.get("category") == "network_connection":
        query = "event.category:network AND event.type:start AND (%s)" % query
    return query, source


def hits(query, index="logs-*"):
    return ask("/%s/_search?size=0&track_total_hits=true" % index, {"query": {"query_string": {"query": query, "analyze_wildcard": True}}})["hits"]["total"]["value"]


def main():
    alerts = ask("/logs-dwell.alert-so/_search?size=1000", {"query": {"match_all": {}}})["hits"]["hits"]
    wrong, asked = [], 0
    for path in sorted(glob.glob(sys.argv[1] + "/sigma/*.yml")):
        with open(path, encoding="utf-8") as f:
            rule = f.read()
        uuid = yaml.safe_load(rule)["id"]
        query = LuceneBackend().convert(SigmaCollection.from_yaml(rule))[0]
        want = sum(value(a["_source"], "rule.uuid") == uuid for a in alerts)
        if hits(query) != want:
            wrong.append("%s finds %d alerts, there are %d" % (path, hits(query), want))
    for path in sorted(glob.glob(sys.argv[1] + "/playbooks/*.yaml")):
        with open(path, encoding="utf-8") as f:
            book = yaml.safe_load(f)
        ours = [a for a in alerts if value(a["_source"], "rule.uuid") == book["detection_id"]]
        # One of each shape: with and without a queried name.
        shapes = {(value(a["_source"], "dns.highest_registered_domain") is not None, value(a["_source"], "destination.domain") is not None): a for a in ours}
        # Without an alert of its kind a playbook uses another one, so that all of its queries are converted.
        for alert in list(shapes.values()) or alerts[:1]:
            source = alert["_source"]
            variables = {"document_id": alert["_id"], "src_ip": value(source, "source.ip") or MISSING, "dst_ip": value(source, "destination.ip") or MISSING,
                         "dns.highest_registered_domain": value(source, "dns.highest_registered_domain") or MISSING}
            for question in book["questions"]:
                query, logs = convert(question["query"], variables)
                found = hits(query)
                asked += 1
                # The alert and Zeek's connections or queries must exist; the rest depends on the host's activity.
                must = ours and (logs.get("category") == "alert" and "range" not in question or "%dst_ip%" in question["query"] and logs.get("service") == "connection" or
                                 "highest_registered_domain" in question["query"] and logs.get("service") == "dns")
                if "dns.highest_registered_domain" in question["query"] and variables["dns.highest_registered_domain"] == MISSING:
                    must = False
                if must and not found:
                    wrong.append("%s: %s: no answer: %s" % (book["name"], question["question"], query))
        print("%s: %d alerts" % (book["name"], len(ours)))
    print("%d questions asked" % asked)
    print("\n".join(wrong))
    sys.exit(bool(wrong) or not alerts)


if __name__ == "__main__":
    main()
