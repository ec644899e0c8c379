package sodoc

import "dwell/internal/securityonion"

import "fmt"

// DefaultShards is the number of primary shards of Security Onion's Zeek stream.
const DefaultShards = 2

// TemplateName is the name under which tests and the demo install [IndexTemplate]; it is not Security Onion's.
const TemplateName = "dwell-test-so-zeek"

// IndexTemplate is a substitute for the index template of Security Onion's Zeek streams: the same types for the fields
// that dwell and its loader use, the same dynamic templates in the same order, the same settings. It is for tests and
// the demo on an empty cluster; never install it on a real grid. A number of shards below 1 means DefaultShards.
//
// Two things differ, because the test node lacks the plug-ins: message is text without positions and scores (the grid
// has match_only_text, with a keyword subfield), and data_stream.* are plain keywords. The translog is not synced for
// each request, since test data need not survive a power cut.
//
// Important properties: event.duration is long, so the index loses fractions of seconds; addresses are ip with a
// keyword subfield; other fields named ip become ip, those named port integer, all other strings keyword without a
// length limit; date detection is off.
func IndexTemplate(shards int) []byte {
	if shards < 1 {
		shards = DefaultShards
	}
	return fmt.Appendf(nil, template, securityonion.StreamZeek, securityonion.StreamImport, shards)
}

const template = `{
 "index_patterns": ["%s*", "%s*"],
 "priority": 500,
 "data_stream": {},
 "_meta": {"about": "stand-in for Security Onion's own template, made by dwell for tests and demos; never for a real grid"},
 "template": {
  "settings": {"index": {"number_of_shards": %d, "number_of_replicas": 0, "refresh_interval": "30s", "translog": {"durability": "async"}, "mapping": {"total_fields": {"limit": 5000}}}},
  "mappings": {
   "date_detection": false,
   "numeric_detection": false,
   "dynamic_templates": [
    {"ip_address": {"path_match": "*.ip", "match_mapping_type": "string", "mapping": {"type": "ip", "fields": {"keyword": {"type": "keyword", "ignore_above": 45}}}}},
    {"port": {"path_match": "*.port", "mapping": {"type": "integer", "fields": {"keyword": {"type": "keyword", "ignore_above": 12}}}}},
    {"strings": {"match_mapping_type": "string", "mapping": {"type": "keyword"}}},
    {"strings_as_keyword": {"match_mapping_type": "string", "mapping": {"type": "keyword", "ignore_above": 1024}}}
   ],
   "properties": {
    "@timestamp": {"type": "date"},
    "@version": {"type": "keyword"},
    "message": {"type": "text", "norms": false, "index_options": "docs"},
    "tags": {"type": "keyword", "fields": {"keyword": {"type": "keyword"}}},
    "ecs": {"properties": {"version": {"type": "keyword"}}},
    "data_stream": {"properties": {"type": {"type": "keyword"}, "dataset": {"type": "keyword"}, "namespace": {"type": "keyword"}}},
    "event": {"properties": {
     "category": {"type": "keyword", "fields": {"keyword": {"type": "keyword"}}},
     "dataset": {"type": "keyword", "fields": {"keyword": {"type": "keyword"}}},
     "module": {"type": "keyword", "fields": {"keyword": {"type": "keyword"}}},
     "duration": {"type": "long"},
     "severity": {"type": "long"},
     "severity_label": {"type": "keyword"},
     "acknowledged": {"type": "boolean"},
     "imported": {"type": "boolean"},
     "start": {"type": "date"},
     "end": {"type": "date"},
     "created": {"type": "date"},
     "ingested": {"type": "date"}
    }},
    "observer": {"properties": {"name": {"type": "keyword", "fields": {"keyword": {"type": "keyword"}}}}},
    "source": {"properties": {
     "ip": {"type": "ip", "fields": {"keyword": {"type": "keyword"}}},
     "port": {"type": "long", "fields": {"keyword": {"type": "keyword"}}},
     "bytes": {"type": "long"}, "packets": {"type": "long"}
    }},
    "destination": {"properties": {
     "ip": {"type": "ip", "fields": {"keyword": {"type": "keyword"}}},
     "port": {"type": "long", "fields": {"keyword": {"type": "keyword"}}},
     "bytes": {"type": "long"}, "packets": {"type": "long"}
    }},
    "client": {"properties": {
     "address": {"type": "keyword", "fields": {"keyword": {"type": "keyword"}}},
     "ip": {"type": "ip", "fields": {"keyword": {"type": "keyword"}}},
     "port": {"type": "long", "fields": {"keyword": {"type": "keyword"}}},
     "bytes": {"type": "long"}, "packets": {"type": "long"}
    }},
    "server": {"properties": {
     "address": {"type": "keyword", "fields": {"keyword": {"type": "keyword"}}},
     "ip": {"type": "ip", "fields": {"keyword": {"type": "keyword"}}},
     "port": {"type": "long", "fields": {"keyword": {"type": "keyword"}}},
     "bytes": {"type": "long"}, "packets": {"type": "long"}
    }},
    "network": {"properties": {
     "bytes": {"type": "long"}, "packets": {"type": "long"},
     "community_id": {"type": "keyword", "fields": {"keyword": {"type": "keyword"}}},
     "protocol": {"type": "keyword", "fields": {"keyword": {"type": "keyword"}}},
     "transport": {"type": "keyword", "fields": {"keyword": {"type": "keyword"}}},
     "vlan": {"properties": {"id": {"type": "keyword"}}}
    }},
    "dns": {"properties": {
     "id": {"type": "keyword"},
     "answers": {"properties": {"name": {"type": "keyword"}}},
     "query": {"properties": {"name": {"type": "keyword"}, "type": {"type": "long"}, "length": {"type": "long"}, "rejected": {"type": "boolean"}}},
     "response": {"properties": {"code": {"type": "long"}, "code_name": {"type": "keyword"}}},
     "ttls": {"type": "float"}
    }},
    "http": {"properties": {"status_code": {"type": "long"}, "trans_depth": {"type": "long"}}},
    "dhcp": {"properties": {"lease_time": {"type": "float"}}}
   }
  }
 }
}
`
