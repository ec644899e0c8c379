package es

import (
	"encoding/json"
	"regexp"
	"strings"
)

// Cause is Elasticsearch's error object of a request, a bulk item or a failed shard.
type Cause struct {
	Type       string  `json:"type"`
	Reason     string  `json:"reason"`
	Index      string  `json:"index"`
	Durability string  `json:"durability"`
	RootCause  []Cause `json:"root_cause"`
	CausedBy   *Cause  `json:"caused_by"`
	// FailedShards belong to a search_phase_execution_exception.
	FailedShards []ShardFailure `json:"failed_shards"`
}

// ShardFailure is one entry of _shards.failures or failed_shards.
type ShardFailure struct {
	Shard  int    `json:"shard"`
	Index  string `json:"index"`
	Reason Cause  `json:"reason"`
}

// byType returns the kind of error types that mean the same for any status. kindOf handles the others (breakers,
// blocks, security). Sources: docs/facts/elasticsearch.md, 3.1 and 3.3.
func byType(t string) (Kind, bool) {
	switch t {
	case "es_rejected_execution_exception", "too_many_requests":
		return Overload, true
	case "too_many_buckets_exception", "content_too_long_exception", "too_long_frame_exception":
		return TooBig, true
	case "search_timeout_exception", "timeout_exception", "receive_timeout_transport_exception", "process_cluster_event_timeout_exception":
		return Timeout, true
	case "index_not_found_exception", "resource_not_found_exception", "document_missing_exception", "no_such_remote_cluster_exception",
		"alias_not_found_exception", "aliases_not_found_exception":
		return NotFound, true
	case "version_conflict_engine_exception", "resource_already_exists_exception", "version_conflict":
		return Conflict, true
	case "mapper_parsing_exception", "document_parsing_exception", "strict_dynamic_mapping_exception":
		return Mapping, true
	case "unavailable_shards_exception", "no_shard_available_action_exception", "master_not_discovered_exception",
		"node_not_connected_exception", "node_disconnected_exception", "node_closed_exception", "not_master_exception",
		"connect_transport_exception", "node_not_available_exception", "no_node_available_exception", "no_seed_node_left_exception",
		"shard_not_found_exception", "illegal_index_shard_state_exception", "index_shard_closed_exception", "already_closed_exception",
		"node_health_check_failure_exception", "search_context_missing_exception", "task_cancelled_exception":
		return Retryable, true
	}
	return Fatal, false
}

// kindOf classifies one cause without its inner causes.
func kindOf(status int, c *Cause) (Kind, bool) {
	switch c.Type {
	case "circuit_breaking_exception":
		if c.Durability == "PERMANENT" {
			return TooBig, true
		}
		return Overload, true
	case "cluster_block_exception":
		// "SERVICE_UNAVAILABLE/1/state not recovered / initialized" and "SERVICE_UNAVAILABLE/2/no master" are
		// temporary.
		if strings.Contains(c.Reason, "SERVICE_UNAVAILABLE") {
			return Retryable, true
		}
		return ClusterBlock, true
	case "security_exception":
		if status == 401 {
			return Auth, true
		}
		return Permission, true
	case "exception":
		if strings.Contains(c.Reason, "must be explicitly enabled") { // security is disabled
			return NotFound, true
		}
	case "illegal_argument_exception":
		// The server's only way to report that a text field cannot be aggregated, or that indices map a field
		// differently.
		if strings.Contains(c.Reason, "ielddata is disabled") || strings.Contains(c.Reason, "not optimised for operations that require per-document") ||
			strings.Contains(c.Reason, "is not supported for aggregation") {
			return Mapping, true
		}
	}
	return byType(c.Type)
}

// byStatus is the fallback for answers of unknown type.
func byStatus(status int) Kind {
	switch status {
	case 401:
		return Auth
	case 403:
		return Permission
	case 404:
		return NotFound
	case 408:
		return Timeout
	case 409:
		return Conflict
	case 413:
		return TooBig
	case 429:
		return Overload
	}
	if status >= 500 && status != 501 && status != 505 {
		return Retryable
	}
	return Fatal
}

// specific returns the first cause with a known kind, inner causes before the wrapper that only reports a failed phase.
// Without one it returns the outermost cause.
func specific(status int, c *Cause) (*Cause, Kind) {
	if found, kind, ok := walk(status, c, 0); ok {
		return found, kind
	}
	kind := byStatus(status)
	if c.Type == "search_phase_execution_exception" && (strings.HasPrefix(c.Reason, "Partial shards failure") || status == 500) {
		kind = Partial
	}
	if len(c.RootCause) > 0 && c.RootCause[0].Type != "" {
		return &c.RootCause[0], kind
	}
	for i := range c.FailedShards {
		if c.FailedShards[i].Reason.Type != "" {
			return &c.FailedShards[i].Reason, kind
		}
	}
	if c.Reason == "" && c.CausedBy != nil && c.CausedBy.Reason != "" {
		return c.CausedBy, kind // "Search rejected due to missing shards" is there
	}
	return c, kind
}

// restRequest is the request's whole URL in the reasons of the security plugin; the operation is named already.
var restRequest = regexp.MustCompile(` for REST request \[[^\]]*\]`)

// maxCauses limits the walk, because causes come from the network.
const maxCauses = 16

func walk(status int, c *Cause, depth int) (*Cause, Kind, bool) {
	if depth > maxCauses {
		return nil, Fatal, false
	}
	if k, ok := kindOf(status, c); ok {
		return c, k, true
	}
	for i := range c.FailedShards {
		r := &c.FailedShards[i].Reason
		if r.Index == "" {
			r.Index = c.FailedShards[i].Index
		}
		if f, k, ok := walk(status, r, depth+1); ok {
			return f, k, true
		}
	}
	for i := range c.RootCause {
		if f, k, ok := walk(status, &c.RootCause[i], depth+1); ok {
			return f, k, true
		}
	}
	if c.CausedBy != nil {
		return walk(status, c.CausedBy, depth+1)
	}
	return nil, Fatal, false
}

// Classify makes an error from a status and Elasticsearch's error object, of a whole request or a bulk item.
func Classify(op, index string, status int, c Cause) *Error {
	found, kind := specific(status, &c)
	// Drop the server's advice: dwell never allows partial results.
	reason, _, _ := strings.Cut(found.Reason, ". Consider using `allow_partial_search_results`")
	e := &Error{Kind: kind, Op: op, Index: index, Status: status, Type: found.Type, Reason: oneLine(restRequest.ReplaceAllString(reason, ""))}
	if e.Index == "" {
		e.Index = found.Index
	}
	e.Hint = hint(e)
	return e
}

// classifyBody is Classify for a raw answer that is not a 2xx.
func classifyBody(op, index string, status int, body []byte) *Error {
	var answer struct {
		Error json.RawMessage `json:"error"`
	}
	var c Cause
	if json.Unmarshal(body, &answer) == nil && len(answer.Error) > 0 {
		if json.Unmarshal(answer.Error, &c) != nil {
			// Some endpoints return the error as a plain string.
			_ = json.Unmarshal(answer.Error, &c.Reason)
		}
	}
	e := Classify(op, index, status, c)
	if e.Reason == "" && e.Type == "" {
		e.Reason = "answered " + statusText(status)
	}
	return e
}

var (
	actionRE  = regexp.MustCompile(`action \[([^\]]{1,200})\]`)
	indicesRE = regexp.MustCompile(`on indices \[([^\]]{1,200})\]`)
	grantedRE = regexp.MustCompile(`granted by the (index|cluster) privileges \[([^\]]{1,200})\]`)
)

// hint says what to do about an error, in one clause.
func hint(e *Error) string {
	switch e.Kind {
	case Auth:
		return "check elasticsearch.api_key, or username and password: they are wrong, expired or missing"
	case Permission:
		return permissionHint(e.Reason)
	case TooBig:
		return "ask for less at once: fewer buckets or a shorter time slice"
	case Overload:
		return "the cluster is busy: try later or lower the concurrency"
	case ClusterBlock:
		return "the cluster refuses writes (disk full or index read-only): free disk space, see the cluster's allocation watermarks"
	case NotFound:
		if e.Type == "index_not_found_exception" {
			return "check the index names: nothing of that name exists on this cluster"
		}
	case Mapping:
		return "the field types are not Security Onion's: compare the index template"
	case Timeout:
		return "the server was too slow: ask for less or raise the request timeout"
	case Retryable:
		if e.Type == "search_phase_execution_exception" || e.Type == "no_shard_available_action_exception" {
			return "some of the data is not available: see GET _cluster/health and GET _cat/shards"
		}
	case Fatal, Partial, TLS, Unreachable, NotElasticsearch, Conflict, Canceled:
	}
	return ""
}

// permissionHint extracts the missing privilege and the index from the server's message.
func permissionHint(reason string) string {
	var b strings.Builder
	b.WriteString("the user or API key lacks a privilege")
	if m := grantedRE.FindStringSubmatch(reason); m != nil {
		b.WriteString(": one of the " + m[1] + " privileges " + m[2])
	} else if m := actionRE.FindStringSubmatch(reason); m != nil {
		b.WriteString(" for " + m[1])
	}
	if m := indicesRE.FindStringSubmatch(reason); m != nil {
		b.WriteString(" on " + m[1])
	}
	return b.String()
}
