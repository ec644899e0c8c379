package sodoc

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"dwell/internal/securityonion"
)

// The types are those observed on a real node with the real template (docs/facts/security-onion.md 1.3, 2.1).
func TestTemplateHasTheTypesOfTheGrid(t *testing.T) {
	require.True(t, json.Valid(IndexTemplate(0)))
	require.EqualValues(t, 2, at(t, IndexTemplate(0), "template.settings.index.number_of_shards"))
	require.EqualValues(t, 7, at(t, IndexTemplate(7), "template.settings.index.number_of_shards"))
	require.Equal(t, []any{"logs-zeek-so*", "logs-import-so*"}, at(t, IndexTemplate(0), "index_patterns"))
	require.Equal(t, map[string]any{}, at(t, IndexTemplate(0), "data_stream"))
	require.Equal(t, false, at(t, IndexTemplate(0), "template.mappings.date_detection"))
	for path, want := range map[string]string{
		"event.properties.duration": "long", "@timestamp": "date", "event.properties.ingested": "date",
		"source.properties.ip": "ip", "source.properties.port": "long", "destination.properties.ip": "ip", "destination.properties.port": "long",
		"source.properties.ip.fields.keyword": "keyword", "client.properties.bytes": "long", "network.properties.bytes": "long",
		"network.properties.transport": "keyword", "message": "text",
	} {
		require.Equal(t, want, at(t, IndexTemplate(0), "template.mappings.properties."+path+".type"), path)
	}
	var order []string
	for _, d := range at(t, IndexTemplate(0), "template.mappings.dynamic_templates").([]any) {
		for name := range d.(map[string]any) {
			order = append(order, name)
		}
	}
	require.Equal(t, []string{"ip_address", "port", "strings", "strings_as_keyword"}, order)
}

func TestIndicesNeverJoinPlainAndRemoteNames(t *testing.T) {
	require.Equal(t, []string{"logs-zeek-so", "logs-import-so"}, securityonion.Indices(false))
	require.Equal(t, []string{"*:logs-zeek-so", "*:logs-import-so"}, securityonion.Indices(true))
}

// The logs that Security Onion leaves on the sensor by default do not become documents.
func TestOnlyLogsThatAreIngestedBecomeDocuments(t *testing.T) {
	for _, log := range strings.Fields("analyzer broker capture_loss cluster conn-summary console ecat_arp_info known_certs " +
		"known_hosts known_services loaded_scripts ntp ocsp packet_filter reporter stats stderr stdout") {
		require.NotContains(t, Convertible(), log)
	}
}
