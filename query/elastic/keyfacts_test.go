package elastic

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"dwell/internal/hunt"
)

// The counted columns' values are found in Elasticsearch's answer, and those of two spellings of a name are added up.
func TestCountedColumnsOfAnAnswer(t *testing.T) {
	var a, b struct {
		Key string `json:"key"`
		tlsAnswer
	}
	require.NoError(t, json.Unmarshal([]byte(`{"key":"x","doc_count":3,"values":{"doc_count":3,"0":{"sum_other_doc_count":0,"buckets":[{"key":"ok","doc_count":2}]}}}`), &a))
	require.NoError(t, json.Unmarshal([]byte(`{"key":"X","doc_count":2,"values":{"doc_count":2,"0":{"buckets":[{"key":"expired","doc_count":1},{"key":"ok","doc_count":1}]}}}`), &b))
	sum := keyAnswer{}
	sum.TLS.add(&a.tlsAnswer)
	sum.TLS.add(&b.tlsAnswer)
	require.EqualValues(t, 5, sum.TLS.Count)
	var f hunt.Facts
	sum.TLS.Values.fill(&f)
	require.Equal(t, []hunt.Counted{{Value: "ok", Count: 3}, {Value: "expired", Count: 1}}, f.Values[hunt.Validation])
	require.Empty(t, f.Values[hunt.BodyTypes])
	require.Error(t, json.Unmarshal([]byte(`{"values":{"0":[]}}`), &a))

	aggs := httpAggs()["values"].(object)["aggs"].(object)
	require.Len(t, aggs, 1)
	require.Equal(t, top("file.resp_mime_types"), aggs["1"])
}
