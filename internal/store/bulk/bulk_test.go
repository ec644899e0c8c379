package bulk

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"dwell/internal/es"
	"dwell/internal/es/estest"
)

// memory imitates a data stream: create rejects an existing id. refuse, if set, answers an item instead.
type memory struct {
	docs   map[string]string
	refuse func(id string) (status int, cause string)
	bulks  [][]string
}

func (m *memory) handle(_ int, r estest.Request) estest.Reply {
	if m.docs == nil {
		m.docs = map[string]string{}
	}
	lines := strings.Split(strings.TrimSuffix(string(r.Body), "\n"), "\n")
	var ids, items []string
	for i := 0; i+1 < len(lines); i += 2 {
		var action struct {
			Create struct {
				ID string `json:"_id"`
			} `json:"create"`
		}
		if err := json.Unmarshal([]byte(lines[i]), &action); err != nil {
			return estest.Error(400, "illegal_argument_exception", err.Error())
		}
		id := action.Create.ID
		ids = append(ids, id)
		status, cause := 201, ""
		if m.refuse != nil {
			if s, c := m.refuse(id); s != 0 {
				status, cause = s, c
			}
		}
		if _, there := m.docs[id]; there && status == 201 {
			status, cause = 409, `{"type":"version_conflict_engine_exception","reason":"document already exists"}`
		}
		if status == 201 {
			m.docs[id] = lines[i+1]
			items = append(items, fmt.Sprintf(`{"create":{"_id":%q,"status":201}}`, id))
			continue
		}
		items = append(items, fmt.Sprintf(`{"create":{"_id":%q,"status":%d,"error":%s}}`, id, status, cause))
	}
	m.bulks = append(m.bulks, ids)
	return estest.JSON(`{"items":[` + strings.Join(items, ",") + `]}`)
}

func writer(t *testing.T, fake *estest.Fake, o Options) *Writer {
	t.Helper()
	c, err := es.New(es.Config{Addresses: []string{"http://127.0.0.1:9200"}, Transport: fake})
	require.NoError(t, err)
	o.Client, o.Stream = c, "logs-dwell.finding-so"
	return New(o)
}

func items(n int) []Item {
	out := make([]Item, n)
	for i := range out {
		out[i] = Item{ID: fmt.Sprintf("id%03d", i), Doc: fmt.Appendf(nil, `{"n":%d}`, i)}
	}
	return out
}

const (
	busy    = `{"type":"es_rejected_execution_exception","reason":"rejected execution of coordinating operation"}`
	mapping = `{"type":"document_parsing_exception","reason":"[1:9] failed to parse field [n] of type [ip]"}`
	flood   = `{"type":"cluster_block_exception","reason":"index [x] blocked by: [TOO_MANY_REQUESTS/12/disk usage exceeded flood-stage watermark, index has read-only-allow-delete block];"}`
	denied  = `{"type":"security_exception","reason":"action [indices:data/write/bulk[s]] is unauthorized for API key id [x] of user [y] on indices [logs-dwell.finding-so], this action is granted by the index privileges [create_doc,create,index,write,all]"}`
)

func TestEveryDocumentOnce(t *testing.T) {
	m := &memory{}
	w := writer(t, &estest.Fake{Handle: m.handle}, Options{MaxDocs: 10})
	res, err := w.Write(t.Context(), items(25))
	require.NoError(t, err)
	require.Equal(t, Result{Sent: 25, Acked: 25}, res)
	require.Len(t, m.docs, 25)
	require.Equal(t, `{"n":7}`, m.docs["id007"])
	require.Len(t, m.bulks, 3, "25 documents at 10 a bulk")

	again, err := w.Write(t.Context(), items(30))
	require.NoError(t, err)
	require.Equal(t, 25, again.Existing, "what is there already counts as written")
	require.Equal(t, 5, again.Acked)
	require.Len(t, m.docs, 30)
}

func TestBytesBoundABulk(t *testing.T) {
	m := &memory{}
	w := writer(t, &estest.Fake{Handle: m.handle}, Options{MaxBytes: 200})
	in := items(10)
	in[4].Doc = []byte(`{"big":"` + strings.Repeat("x", 500) + `"}`)
	res, err := w.Write(t.Context(), in)
	require.NoError(t, err)
	require.Equal(t, 10, res.Acked)
	require.Contains(t, m.bulks, []string{"id004"}, "a document above the bound goes alone")
}

func TestBusyItemsAreSentAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		refusals := map[string]int{"id003": 2, "id011": 1}
		m := &memory{refuse: func(id string) (int, string) {
			if refusals[id] > 0 {
				refusals[id]--
				return 429, busy
			}
			return 0, ""
		}}
		w := writer(t, &estest.Fake{Handle: m.handle}, Options{MaxDocs: 8})
		res, err := w.Write(t.Context(), items(20))
		require.NoError(t, err)
		require.Equal(t, Result{Sent: 20, Acked: 20, Retried: 3}, res)
		require.Len(t, m.docs, 20)
		require.Len(t, m.bulks[1], 4, "after a refusal the next bulk is half as large")
	})
}

func TestOneBadDocumentHurtsNoOther(t *testing.T) {
	m := &memory{refuse: func(id string) (int, string) {
		if id == "id002" {
			return 400, mapping
		}
		return 0, ""
	}}
	res, err := writer(t, &estest.Fake{Handle: m.handle}, Options{}).Write(t.Context(), items(5))
	require.NoError(t, err)
	require.Equal(t, 4, res.Acked)
	require.Len(t, res.Dead, 1)
	require.Equal(t, "id002", res.Dead[0].ID)
	require.Equal(t, es.Mapping, res.Dead[0].Err.Kind)
	require.Contains(t, res.Dead[0].Err.Reason, "failed to parse field [n]")
	require.Len(t, m.bulks, 1, "a document refused for good is not sent again")
}

func TestWhatStopsAWrite(t *testing.T) {
	for _, c := range []struct {
		name        string
		status      int
		cause       string
		kind        es.Kind
		wantMention string
	}{
		{name: "disk full", status: 429, cause: flood, kind: es.ClusterBlock, wantMention: "flood-stage"},
		{name: "no right to write", status: 403, cause: denied, kind: es.Permission, wantMention: "on logs-dwell.finding-so"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := &memory{refuse: func(id string) (int, string) {
				if id >= "id002" {
					return c.status, c.cause
				}
				return 0, ""
			}}
			res, err := writer(t, &estest.Fake{Handle: m.handle}, Options{MaxDocs: 4}).Write(t.Context(), items(10))
			require.Error(t, err)
			require.True(t, es.Is(err, c.kind), "%v", err)
			require.ErrorContains(t, err, c.wantMention)
			require.ErrorContains(t, err, "8 of 10 documents are not written")
			require.Equal(t, 2, res.Acked)
			require.Len(t, res.Unwritten, 8)
			require.Empty(t, res.Unknown)
			require.NoError(t, res.Check())
			require.Len(t, m.bulks, 1, "nothing more is sent")
		})
	}
}

func TestGivingUpOnABusyCluster(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &memory{refuse: func(string) (int, string) { return 429, busy }}
		begun := time.Now()
		res, err := writer(t, &estest.Fake{Handle: m.handle}, Options{Budget: time.Minute}).Write(t.Context(), items(3))
		require.True(t, es.Is(err, es.Overload), "%v", err)
		require.Len(t, res.Unwritten, 3)
		require.LessOrEqual(t, time.Since(begun), time.Minute)
		require.LessOrEqual(t, len(m.bulks), maxFruitless+1)
		require.Greater(t, len(m.bulks), 2)
	})
}

// The cases in which the client library's own indexer silently loses documents (docs/facts/elasticsearch.md, 3.1), each
// once, with a server that then recovers: every document must arrive once.
func TestWhatTheLibraryLoses(t *testing.T) {
	whole := `{"items":[{"create":{"_id":"id000","status":201}},{"create":{"_id":"id001","status":201}},{"create":{"_id":"id002","status":201}}]}`
	for _, c := range []struct {
		name  string
		reply estest.Reply
		// carriedOut means that the server executed the request although the answer was bad.
		carriedOut bool
	}{
		{name: "node away", reply: estest.Error(503, "unavailable_shards_exception", "primary shard is not active")},
		{name: "queue full", reply: estest.Rejected()},
		{name: "too large", reply: estest.Error(413, "content_too_long_exception", "entity content is too long")},
		{name: "answer too short", reply: estest.JSON(`{"items":[{"create":{"_id":"id000","status":201}}]}`), carriedOut: true},
		{name: "answer empty", reply: estest.JSON(`{}`)},
		{name: "answers in another order", reply: estest.JSON(strings.Replace(whole, "id000", "id002", 1)), carriedOut: true},
		{name: "answer cut off", reply: estest.Reply{Status: 200, Body: whole, Cut: 40}, carriedOut: true},
		{name: "connection reset", reply: estest.Reply{Err: syscall.ECONNRESET}, carriedOut: true},
		{name: "connection closed", reply: estest.Reply{Err: io.ErrUnexpectedEOF}},
		{name: "server error", reply: estest.Error(500, "exception", "something broke")},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := &memory{}
				first := true
				fake := &estest.Fake{Handle: func(n int, r estest.Request) estest.Reply {
					if first {
						first = false
						if c.carriedOut {
							m.handle(n, r)
						}
						return c.reply
					}
					return m.handle(n, r)
				}}
				res, err := writer(t, fake, Options{}).Write(t.Context(), items(3))
				require.NoError(t, err)
				require.Len(t, m.docs, 3)
				require.Equal(t, 3, res.Acked+res.Existing)
				require.Equal(t, c.carriedOut, res.Existing > 0, "%+v", res)
			})
		})
	}
}

func TestBrokenForGood(t *testing.T) {
	for _, c := range []struct {
		name      string
		reply     estest.Reply
		unknown   int
		unwritten int
	}{
		{name: "connections break", reply: estest.Reply{Err: syscall.ECONNRESET}, unknown: 3},
		{name: "wrong password", reply: estest.Error(401, "security_exception", "unable to authenticate user"), unwritten: 3},
		{name: "not elasticsearch", reply: estest.HTML(), unknown: 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				fake := &estest.Fake{Handle: func(int, estest.Request) estest.Reply { return c.reply }}
				res, err := writer(t, fake, Options{}).Write(t.Context(), items(3))
				require.Error(t, err)
				var e *es.Error
				require.True(t, errors.As(err, &e))
				require.Len(t, res.Unknown, c.unknown)
				require.Len(t, res.Unwritten, c.unwritten)
				require.NoError(t, res.Check())
			})
		})
	}
}

// A document that fits in no request must not block the others.
func TestTooLargeAlone(t *testing.T) {
	m := &memory{}
	fake := &estest.Fake{Handle: func(n int, r estest.Request) estest.Reply {
		if strings.Contains(string(r.Body), "id003") {
			return estest.Error(413, "content_too_long_exception", "entity content is too long")
		}
		return m.handle(n, r)
	}}
	res, err := writer(t, fake, Options{}).Write(t.Context(), items(8))
	require.NoError(t, err)
	require.Equal(t, 7, res.Acked)
	require.Len(t, res.Dead, 1)
	require.Equal(t, "id003", res.Dead[0].ID)
	require.Equal(t, es.TooBig, res.Dead[0].Err.Kind)
}

func TestCheckFindsALoss(t *testing.T) {
	r := Result{Sent: 3, Acked: 1, Existing: 1}
	require.ErrorContains(t, r.Check(), "3 documents sent but 2 accounted for")
}
