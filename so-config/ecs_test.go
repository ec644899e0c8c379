package soconfig

import (
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"dwell/internal/hunt"
)

// ecs are the Elastic Common Schema fields that dwell may use, with their type and [] for lists, from
// github.com/elastic/ecs v8.17.0, generated/csv/fields.csv. Add the ECS fields of new documents here.
var ecs = map[string]string{
	"@timestamp": "date", "message": "match_only_text", "tags": "keyword[]", "ecs.version": "keyword",
	"data_stream.type": "constant_keyword", "data_stream.dataset": "constant_keyword", "data_stream.namespace": "constant_keyword",
	"event.id": "keyword", "event.kind": "keyword", "event.category": "keyword[]", "event.type": "keyword[]", "event.module": "keyword", "event.dataset": "keyword",
	"event.severity": "long", "event.start": "date", "event.end": "date", "event.ingested": "date", "event.duration": "long", "event.risk_score": "float",
	"rule.name": "keyword", "rule.uuid": "keyword", "rule.category": "keyword", "rule.ruleset": "keyword", "rule.description": "keyword",
	"source.ip": "ip", "source.port": "long", "destination.ip": "ip", "destination.port": "long", "destination.domain": "keyword",
	"network.transport": "keyword", "network.protocol": "keyword", "network.bytes": "long", "network.community_id": "keyword", "network.direction": "keyword",
	"client.bytes": "long", "server.bytes": "long", "observer.name": "keyword", "user.name": "keyword", "host.name": "keyword",
	"dns.question.name": "keyword", "dns.question.registered_domain": "keyword",
	"related.ip": "ip[]", "related.hosts": "keyword[]", "related.user": "keyword[]",
	"threat.framework": "keyword", "threat.tactic.id": "keyword[]", "threat.tactic.name": "keyword[]", "threat.technique.id": "keyword[]",
	"threat.technique.name": "keyword[]", "threat.technique.reference": "keyword[]", "threat.technique.subtechnique.id": "keyword[]", "threat.technique.subtechnique.name": "keyword[]",
}

// family maps types to equivalent ones that a plain Elasticsearch has: constant_keyword and match_only_text come with
// modules.
func family(typ string) string {
	return map[string]string{"constant_keyword": "keyword", "match_only_text": "text"}[typ]
}

// foreignToECS are fields outside ECS, dwell and beacon: names that Security Onion uses in its own data
// (docs/facts/security-onion.md).
var foreignToECS = map[string]bool{
	"event.severity_label": true, "event.acknowledged": true, "event.acknowledged_timestamp": true, "event.acknowledged_elapsed_seconds": true,
	"event.escalated": true, "event.escalated_timestamp": true, "event.escalated_elapsed_seconds": true,
	"dns.query.name": true, "dns.query_name": true, "dns.highest_registered_domain": true,
	"network.connections": true, "network.average_bytes": true, "log.id.uid": true,
}

// Every field of every document follows ECS in type and list-ness. Top-level fields outside ECS are only dwell and
// beacon, where Security Onion has RITA's numbers.
func TestFieldsFollowECS(t *testing.T) {
	require.Equal(t, "8.17.0", hunt.ECSVersion, "the table above is of that version")
	lists := map[string]bool{}
	for _, document := range []reflect.Type{reflect.TypeFor[hunt.Finding](), reflect.TypeFor[hunt.AlertFields](), reflect.TypeFor[hunt.Document](), reflect.TypeFor[hunt.Disposition]()} {
		listed("", document, lists)
	}
	for name, tpl := range byName(t) {
		if tpl.Template.Mappings == nil {
			continue
		}
		mapped := map[string]field{}
		leaves("", tpl.Template.Mappings.Properties, mapped)
		for path, f := range mapped {
			top, _, _ := strings.Cut(path, ".")
			if top == "dwell" || top == "beacon" || foreignToECS[path] {
				continue
			}
			want, known := ecs[path]
			require.True(t, known, "%s: %s is no field of ECS: put it below dwell", name, path)
			typ := strings.TrimSuffix(want, "[]")
			require.Contains(t, []string{typ, family(typ)}, f.Type, "%s: %s", name, path)
			if list, ok := lists[path]; ok {
				require.Equal(t, strings.HasSuffix(want, "[]"), list, "%s: whether %s is a list", name, path)
			}
		}
	}
}

// listed records for each leaf of a document whether it is a list.
func listed(prefix string, typ reflect.Type, into map[string]bool) {
	for i := range typ.NumField() {
		f := typ.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "-" {
			continue
		}
		path, ft := prefix+name, f.Type
		list := ft.Kind() == reflect.Slice
		for ft.Kind() == reflect.Pointer || ft.Kind() == reflect.Slice {
			ft = ft.Elem()
		}
		switch {
		case f.Anonymous:
			listed(prefix, ft, into)
		case ft.Kind() == reflect.Struct && ft != reflect.TypeFor[hunt.Time]() && ft.PkgPath() != "net/netip":
			listed(path+".", ft, into)
		default:
			into[path] = list
		}
	}
}
