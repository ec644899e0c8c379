package log

import "strings"

// Field is a value of a record that dwell reads, whatever its column or key. Every record has one slot a field.
type Field uint8

// The fields. Those of one line belong to the logs that the line names.
const (
	None Field = iota
	TS
	UID
	Path
	OrigH
	OrigP
	RespH
	RespP
	// EventTime and EventDuration are TS and Duration in Elasticsearch's documents.
	EventTime
	EventDuration
	// conn
	Proto
	Service
	Duration
	OrigBytes
	RespBytes
	OrigIPBytes
	RespIPBytes
	ConnState
	LocalOrig
	LocalResp
	History
	// http
	Method
	Host
	URI
	UserAgent
	TransDepth
	RespMIMEs
	// ssl, quic
	ServerName
	JA3
	JA4
	Subject
	Issuer
	Validation
	ChainPrints
	ChainFUIDs
	// dns
	Query
	QTypeName
	Answers
	// socks
	RequestHost
	RequestName
	RequestPort
	// files, x509
	TxHosts
	RxHosts
	MIMEType
	SeenBytes
	ID
	Fingerprint
	CertSubject
	CertIssuer
	NotBefore
	NotAfter
	SANDNS
	// weird, notice, intel, software
	Name
	Note
	Indicator
	IndicatorType
	Sources
	SoftwareType
	Version
	// dhcp, kerberos, ntlm
	AssignedAddr
	ClientAddr
	HostName
	MAC
	Client
	NTLMHost
	UserName
	ServerDNSName
	// capture_loss, stats
	Peer
	Gaps
	Acks
	Dropped
	Link
	fields
)

// zeekNames are the names that Zeek gives the fields. Some shippers turn dots into underscores, so both are one.
var zeekNames = map[string]Field{
	"ts": TS, "uid": UID, "_path": Path, "@stream": Path, "id_orig_h": OrigH, "id_orig_p": OrigP, "id_resp_h": RespH, "id_resp_p": RespP,
	"proto": Proto, "service": Service, "duration": Duration, "orig_bytes": OrigBytes, "resp_bytes": RespBytes, "orig_ip_bytes": OrigIPBytes, "resp_ip_bytes": RespIPBytes,
	"conn_state": ConnState, "local_orig": LocalOrig, "local_resp": LocalResp, "history": History,
	"method": Method, "host": Host, "uri": URI, "user_agent": UserAgent, "trans_depth": TransDepth,
	"resp_mime_types": RespMIMEs, "server_name": ServerName, "ja3": JA3, "ja4": JA4, "subject": Subject, "issuer": Issuer,
	"validation_status": Validation, "cert_chain_fps": ChainPrints, "cert_chain_fuids": ChainFUIDs,
	"query": Query, "qtype_name": QTypeName, "answers": Answers, "request_host": RequestHost, "request_name": RequestName, "request_p": RequestPort,
	"tx_hosts": TxHosts, "rx_hosts": RxHosts, "mime_type": MIMEType, "seen_bytes": SeenBytes, "id": ID, "fingerprint": Fingerprint,
	"certificate_subject": CertSubject, "certificate_issuer": CertIssuer, "certificate_not_valid_before": NotBefore,
	"certificate_not_valid_after": NotAfter, "san_dns": SANDNS, "name": Name, "note": Note, "seen_indicator": Indicator,
	"seen_indicator_type": IndicatorType, "sources": Sources, "software_type": SoftwareType, "unparsed_version": Version,
	"assigned_addr": AssignedAddr, "client_addr": ClientAddr, "host_name": HostName, "mac": MAC, "client": Client, "hostname": NTLMHost,
	"username": UserName, "server_dns_computer_name": ServerDNSName, "peer": Peer, "gaps": Gaps, "acks": Acks, "pkts_dropped": Dropped, "pkts_link": Link,
}

// documentNames are the names in documents of Security Onion and of Elastic's own Zeek module (ECS). None is also one
// of Zeek's names: host.name is the agent's host, not a DHCP client.
var documentNames = map[string]Field{
	"@timestamp": EventTime, "event.duration": EventDuration, "event.dataset": Path, "log.id.uid": UID, "zeek.session_id": UID,
	"source.ip": OrigH, "source.address": OrigH, "source.port": OrigP, "destination.ip": RespH, "destination.address": RespH, "destination.port": RespP,
	"network.transport": Proto, "network.protocol": Service, "client.bytes": OrigBytes, "server.bytes": RespBytes, "client.ip_bytes": OrigIPBytes, "server.ip_bytes": RespIPBytes,
	"connection.state": ConnState, "zeek.connection.state": ConnState, "connection.history": History, "zeek.connection.history": History,
	"connection.local.originator": LocalOrig, "connection.local.responder": LocalResp,
	"zeek.connection.local_orig": LocalOrig, "zeek.connection.local_resp": LocalResp,
	"http.method": Method, "http.request.method": Method, "http.trans_depth": TransDepth, "http.virtual_host": Host, "url.domain": Host, "http.uri": URI, "url.original": URI,
	"http.useragent": UserAgent, "user_agent.original": UserAgent,
	"file.resp_mime_types": RespMIMEs, "ssl.server_name": ServerName, "tls.client.server_name": ServerName, "zeek.ssl.server.name": ServerName,
	"hash.ja3": JA3, "hash.ja4": JA4, "tls.client.ja3": JA3, "ssl.certificate.subject": Subject, "ssl.certificate.issuer": Issuer,
	"ssl.validation_status": Validation, "tls.server.hash.sha256": ChainPrints, "dns.query.name": Query, "dns.question.name": Query,
	"dns.query.type_name": QTypeName, "dns.question.type": QTypeName, "dns.answers.name": Answers,
	"x509.certificate.subject": CertSubject, "x509.certificate.issuer": CertIssuer, "x509.certificate.not_valid_before": NotBefore,
	"x509.certificate.not_valid_after": NotAfter, "x509.san_dns": SANDNS, "hash.sha256": Fingerprint,
	"weird.name": Name, "notice.note": Note, "intel.indicator": Indicator, "intel.indicator_type": IndicatorType, "intel.sources": Sources,
	"software.name": Name, "software.type": SoftwareType, "software.version.unparsed": Version, "dhcp.assigned_ip": AssignedAddr,
	"host.hostname": HostName, "host.mac": MAC, "kerberos.client": Client, "ntlm.server.dns.name": ServerDNSName,
	"host.name": None, "user.name": UserName, "client.address": None, "server.address": None,
}

// flatNames are documentNames with underscores for dots, as column stores have them. Zeek's own names count first.
var flatNames = func() map[string]Field {
	out := map[string]Field{}
	for name, f := range documentNames {
		if one := canonical(name); zeekNames[one] == None && f != None {
			out[one] = f
		}
	}
	return out
}()

// marks are names that only one log has. They identify records that do not name their log.
var marks = map[string]Kind{
	"conn_state": Conn, "orig_ip_bytes": Conn, "missed_bytes": Conn, "orig_pkts": Conn, "connection_state": Conn, "zeek_connection_state": Conn,
	"trans_depth": HTTPLog, "status_code": HTTPLog, "user_agent": HTTPLog, "uri": HTTPLog, "cipher": SSLLog, "cert_chain_fps": SSLLog, "ssl_history": SSLLog,
	"ja3": SSLLog, "cert_chain_fuids": SSLLog, "curve": SSLLog,
	"established": SSLLog, "resumed": SSLLog, "next_protocol": SSLLog, "validation_status": SSLLog, "orig_bytes": Conn, "resp_bytes": Conn,
	"answers": DNSLog, "rejected": DNSLog, "qtype_name": DNSLog, "rcode_name": DNSLog, "qclass": DNSLog, "trans_id": DNSLog, "qtype": DNSLog,
	"client_initial_dcid": QUIC, "server_scid": QUIC, "bound_p": SOCKS, "request_p": SOCKS, "certificate_serial": X509, "certificate_subject": X509,
	"seen_bytes": Files, "tx_hosts": Files, "analyzers": Files, "assigned_addr": DHCP, "msg_types": DHCP, "note": Notice, "seen_indicator": Intel,
	"software_type": Software, "request_type": Kerberos, "server_dns_computer_name": NTLM, "percent_lost": CaptureLoss, "pkts_link": Stats, "pkts_proc": Stats,
	"auth_attempts": SSH, "kex_alg": SSH, "hassh": SSH, "security_protocol": RDP, "keyboard_layout": RDP, "addl": Weird,
	"event_type": suricata, "helo": "smtp", "mailfrom": "smtp", "call_id": "sip",
}

// String is Zeek's name for the field; some shippers have underscores for dots.
func (f Field) String() string {
	for name, of := range zeekNames {
		if of == f && name != "@stream" {
			return name
		}
	}
	for name, of := range documentNames {
		if of == f {
			return name
		}
	}
	return "none"
}

// canonical is one spelling for a name and its variants.
func canonical(name string) string { return strings.ReplaceAll(name, ".", "_") }

// FieldOf is the field with a name of Zeek's, or None.
func FieldOf(name string) Field { return zeekNames[canonical(name)] }

// fieldOf is the field of a name, and the log that only has that name, or none.
func fieldOf(name string) (Field, Kind) {
	one := canonical(name)
	if f, ok := documentNames[name]; ok {
		return f, marks[one]
	}
	if f, ok := zeekNames[one]; ok {
		return f, marks[one]
	}
	return flatNames[one], marks[one]
}
