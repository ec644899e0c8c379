package sodoc

// tables map the columns of each log to fields. Columns not listed stay in "message" only.
func tables() map[string][]columnField {
	return map[string][]columnField{
		"conn": {
			{"proto", "network.transport"}, {"service", "network.protocol"}, {"orig_bytes", "client.bytes"}, {"resp_bytes", "server.bytes"},
			{"conn_state", "connection.state"}, {"local_orig", "connection.local.originator"}, {"local_resp", "connection.local.responder"},
			{"missed_bytes", "connection.bytes.missed"}, {"history", "connection.history"}, {"orig_pkts", "client.packets"},
			{"orig_ip_bytes", "client.ip_bytes"}, {"resp_pkts", "server.packets"}, {"resp_ip_bytes", "server.ip_bytes"},
			{"orig_mac_oui", "client.oui"}, {"tunnel_parents", "log.id.tunnel_parents"}, {"orig_cc", "client.country_code"},
			{"resp_cc", "server.country_code"}, {"vlan", "network.vlan.id"}, {"ja4l", ""}, {"ja4ls", ""}, {"ja4t", ""}, {"ja4ts", ""},
		},
		"ssl": {
			{"version", "ssl.version"}, {"cipher", "ssl.cipher"}, {"curve", "ssl.curve"}, {"server_name", "ssl.server_name"},
			{"resumed", "ssl.resumed"}, {"last_alert", "ssl.last_alert"}, {"next_protocol", "ssl.next_protocol"}, {"established", "ssl.established"},
			{"cert_chain_fps", "tls.server.hash.sha256"}, {"client_cert_chain_fps", "tls.client.hash.sha256"},
			{"client_cert_chain_fuids", "ssl.client.certificate.chain_fuids"},
			{"subject", "ssl.certificate.subject"}, {"issuer", "ssl.certificate.issuer"}, {"client_subject", "ssl.client.subject"},
			{"client_issuer", "ssl.client.issuer"}, {"validation_status", "ssl.validation_status"}, {"ja3", "hash.ja3"}, {"ja3s", "hash.ja3s"},
			{"ja4", ""}, {"ja4s", ""},
		},
		"quic": {{"version", "quic.version"}, {"server_name", "quic.server_name"}},
		"http": {
			{"trans_depth", "http.trans_depth"}, {"method", "http.method"}, {"host", "http.virtual_host"}, {"uri", "http.uri"},
			{"referrer", "http.referrer"}, {"version", "http.version"}, {"user_agent", "http.useragent"},
			{"request_body_len", "http.request.body.length"}, {"response_body_len", "http.response.body.length"},
			{"status_code", "http.status_code"}, {"status_msg", "http.status_message"}, {"info_code", "http.info_code"}, {"info_msg", "http.info_message"},
			{"username", "http.user"}, {"password", "http.password"}, {"proxied", "http.proxied"},
			{"orig_fuids", "log.id.orig_fuids"}, {"orig_filenames", "file.orig_filenames"}, {"orig_mime_types", "file.orig_mime_types"},
			{"resp_fuids", "log.id.resp_fuids"}, {"resp_filenames", "file.resp_filenames"}, {"resp_mime_types", "file.resp_mime_types"},
		},
		"dns": {
			{"proto", "network.transport"}, {"trans_id", "dns.id"}, {"query", "dns.query.name"}, {"qclass", "dns.query.class"},
			{"qclass_name", "dns.query.class_name"}, {"qtype", "dns.query.type"}, {"qtype_name", "dns.query.type_name"},
			{"rcode", "dns.response.code"}, {"rcode_name", "dns.response.code_name"}, {"AA", "dns.authoritative"}, {"TC", "dns.truncated"},
			{"RD", "dns.recursion.desired"}, {"RA", "dns.recursion.available"}, {"Z", "dns.reserved"}, {"answers", "dns.answers.name"},
			{"TTLs", "dns.ttls"}, {"rejected", "dns.query.rejected"},
		},
		"files": {
			{"fuid", "log.id.fuid"}, {"tx_hosts", ""}, {"rx_hosts", ""}, {"conn_uids", ""}, {"source", "file.source"}, {"depth", "file.depth"},
			{"analyzers", "file.analyzer"}, {"mime_type", "file.mime_type"}, {"filename", "file.name"}, {"local_orig", "file.local_orig"},
			{"is_orig", "file.is_orig"}, {"seen_bytes", "file.bytes.seen"}, {"total_bytes", "file.bytes.total"}, {"missing_bytes", "file.bytes.missing"},
			{"overflow_bytes", "file.bytes.overflow"}, {"timedout", "file.timed_out"}, {"parent_fuid", "log.id.parent_fuid"},
			{"md5", "hash.md5"}, {"sha1", "hash.sha1"}, {"sha256", "hash.sha256"}, {"extracted", "file.extracted.filename"},
			{"extracted_cutoff", "file.extracted.cutoff"}, {"extracted_size", "file.extracted.size"},
		},
		"x509": {
			{"id", "log.id.fuid"}, {"fingerprint", "hash.sha256"}, {"certificate.version", "x509.certificate.version"},
			{"certificate.serial", "x509.certificate.serial"}, {"certificate.subject", "x509.certificate.subject"},
			{"certificate.issuer", "x509.certificate.issuer"}, {"certificate.not_valid_before", "x509.certificate.not_valid_before"},
			{"certificate.not_valid_after", "x509.certificate.not_valid_after"}, {"certificate.key_alg", "x509.certificate.key.algorithm"},
			{"certificate.sig_alg", "x509.certificate.signing_algorithm"}, {"certificate.key_type", "x509.certificate.key.type"},
			{"certificate.key_length", "x509.certificate.key.length"}, {"certificate.exponent", "x509.certificate.exponent"},
			{"certificate.curve", "x509.certificate.curve"}, {"san.dns", "x509.san_dns"}, {"san.uri", "x509.san_uri"},
			{"san.email", "x509.san_email"}, {"san.ip", "x509.san_ip"}, {"basic_constraints.ca", "x509.basic_constraints.ca"},
			{"basic_constraints.path_length", "x509.basic_constraints.path_length"},
		},
		"dhcp": {
			{"uids", "log.id.uids"}, {"mac", "host.mac"}, {"assigned_addr", "dhcp.assigned_ip"}, {"lease_time", "dhcp.lease_time"},
			{"client_addr", "client.address"}, {"server_addr", "server.address"}, {"requested_addr", "dhcp.requested_address"},
			{"domain", "host.domain"}, {"host_name", "host.hostname"}, {"msg_types", "dhcp.message_types"},
		},
		"kerberos": {
			{"request_type", "kerberos.request_type"}, {"client", "kerberos.client"}, {"service", "kerberos.service"}, {"success", "kerberos.success"},
			{"error_msg", "kerberos.error_message"}, {"from", "kerberos.ticket.valid.from"}, {"till", "kerberos.ticket.valid.until"},
			{"cipher", "kerberos.ticket.cipher"}, {"forwardable", "kerberos.ticket.forwardable"}, {"renewable", "kerberos.ticket.renewable"},
			{"client_cert_subject", "kerberos.client_certificate_subject"}, {"client_cert_fuid", "log.id.client_certificate_fuid"},
			{"server_cert_subject", "kerberos.server_certificate_subject"}, {"server_cert_fuid", "log.id.server_certificate_fuid"},
		},
		"ntlm": {
			{"hostname", "host.name"}, {"domainname", "host.domain"}, {"success", "ntlm.success"}, {"status", "ntlm.status"},
			{"username", "user.name"}, {"server_dns_computer_name", "ntlm.server.dns.name"}, {"server_nb_computer_name", "ntlm.server.nb.name"},
			{"server_tree_name", "ntlm.server.tree.name"},
		},
		"notice": {
			{"fuid", "log.id.fuid"}, {"proto", "network.transport"}, {"note", "notice.note"}, {"msg", "notice.message"}, {"sub", "notice.sub_message"},
			{"p", "notice.p"}, {"n", "notice.n"}, {"peer_descr", "notice.peer_description"}, {"actions", "notice.action"},
			{"suppress_for", "notice.suppress_for"},
		},
		"weird": {
			{"name", "weird.name"}, {"addl", "weird.additional_info"}, {"notice", "weird.notice"}, {"peer", "weird.peer"},
		},
		"software": {
			{"host", ""}, {"host_p", ""}, {"software_type", "software.type"}, {"name", "software.name"}, {"version.major", "software.version.major"},
			{"version.minor", "software.version.minor"}, {"version.minor2", "software.version.minor2"},
			{"version.addl", "software.version.additional_info"}, {"unparsed_version", "software.version.unparsed"},
		},
		"intel": {
			{"seen.indicator", "intel.indicator"}, {"seen.indicator_type", "intel.indicator_type"}, {"seen.where", "intel.seen_where"},
			{"seen.node", "intel.seen_node"}, {"matched", "intel.matched"}, {"sources", "intel.sources"}, {"fuid", "log.id.fuid"},
			{"file_mime_type", "file.mimetype"}, {"file_desc", "file.description"},
		},
	}
}
