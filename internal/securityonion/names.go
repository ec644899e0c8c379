package securityonion

// Data streams that hold Zeek's records. All record types share one stream; manually imported packet captures go to
// another.
const (
	StreamZeek   = "logs-zeek-so"
	StreamImport = "logs-import-so"
	// StreamSuricata holds metadata if Suricata replaces Zeek. dwell does not read it.
	StreamSuricata = "logs-suricata-so"
	// AnyCluster before a name searches every cluster of the grid (cross-cluster search).
	AnyCluster = "*:"
)

// Indices are the indices to search: the plain names or, in a grid with remotes, the names on all remotes. Never
// combine both lists: a manager is a remote of itself, so everything would count twice.
func Indices(remotes bool) []string {
	if remotes {
		return []string{AnyCluster + StreamZeek, AnyCluster + StreamImport}
	}
	return []string{StreamZeek, StreamImport}
}

// Fields of Zeek documents, with the type in the index. All can be aggregated unless noted.
const (
	FieldTimestamp = "@timestamp"           // date, milliseconds; start of the connection
	FieldIngested  = "event.ingested"       // date; when the agent read the line
	FieldDataset   = "event.dataset"        // keyword: zeek.conn
	FieldModule    = "event.module"         // keyword: zeek
	FieldDuration  = "event.duration"       // long in the index: whole seconds; float seconds in _source
	FieldMessage   = "message"              // match_only_text, no aggregation: the raw line
	FieldObserver  = "observer.name"        // keyword: the sensor
	FieldUID       = "log.id.uid"           // keyword; an array in zeek.file
	FieldCommunity = "network.community_id" // keyword; not in zeek.ssl

	FieldSourceIP        = "source.ip"         // ip
	FieldSourcePort      = "source.port"       // long
	FieldDestinationIP   = "destination.ip"    // ip; takes CIDR in term queries
	FieldDestinationPort = "destination.port"  // long
	FieldTransport       = "network.transport" // keyword: tcp, udp, icmp; not in zeek.ssl
	FieldProtocol        = "network.protocol"  // keyword: Zeek's service; absent when unknown

	FieldClientBytes   = "client.bytes"    // long: payload; absent on unanswered attempts
	FieldServerBytes   = "server.bytes"    // long
	FieldClientIPBytes = "client.ip_bytes" // long: with IP headers
	FieldServerIPBytes = "server.ip_bytes" // long

	FieldConnState  = "connection.state"   // keyword: S0, SF
	FieldHistory    = "connection.history" // keyword
	FieldLocalOrig  = "connection.local.originator"
	FieldLocalResp  = "connection.local.responder"
	FieldQUICName   = "quic.server_name"   // keyword
	FieldSOCKSName  = "socks.request.name" // keyword
	FieldSOCKSHost  = "socks.request.host" // keyword
	FieldSOCKSPort  = "socks.request.port" // integer
	FieldServerName = "ssl.server_name"    // keyword
	FieldHost       = "http.virtual_host"  // keyword
	FieldUserAgent  = "http.useragent"     // keyword; not user_agent.original
	FieldURI        = "http.uri"           // keyword
	FieldQuery      = "dns.query.name"     // keyword
	FieldQueryType  = "dns.query.type_name"
	FieldAnswers    = "dns.answers.name" // keyword, array
	FieldJA3        = "hash.ja3"
	FieldJA4        = "hash.ja4"
)

// Dataset is the event.dataset of a Zeek log's documents: zeek.conn for conn, but zeek.file for files.
func Dataset(log string) string {
	if log == "files" {
		return "zeek.file"
	}
	return "zeek." + log
}
