package main

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"dwell/integration/load/sodoc"
	"dwell/internal/securityonion"
)

// day is the start of the generated traffic.
var day = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)

const (
	// chunk is how many connections are generated at a time, with one seed per chunk.
	chunk = 5000
	// made is raised when the traffic changes, so that existing indices are filled again.
	made = 3
)

// traffic is a day of n connections in order of time. Six in ten are a pair's only one, one in ten belongs to a pair
// with a steady interval, and the others fall on n/15 pairs, few of which have many. So pairs and hosts grow with
// connections: two pairs per three connections.
type traffic struct{ n int }

// beating is the number of beaconing pairs: 1,000 for 300,000 connections or more, with at least 30 check-ins each.
func (t traffic) beating() int { return max(1, min(1000, t.n/300)) }

// connection is one connection, with text where logs have text.
type connection struct {
	ms                 int64
	src, dst           string
	srcPort, dstPort   int
	service, uid       string
	duration           float64
	orig, resp, origIP int
	// beat numbers a beaconing pair's check-ins from 1; pair is its number. Other connections have 0.
	beat, pair int
}

// each calls visit with the connections of a chunk.
func (t traffic) each(number int, visit func(i int, c *connection)) {
	r := rand.New(rand.NewPCG(uint64(number), 7))
	hosts, pool := t.n/600+10, t.n/15+1
	for i := number * chunk; i < min((number+1)*chunk, t.n); i++ {
		pair, beat := uint32(pool+i), 0
		switch {
		case i%10 == 7:
			beat = i/10/t.beating() + 1
			pair = uint32(1<<31 + i/10%t.beating())
		case r.IntN(9) >= 6:
			u := r.Float64()
			pair = uint32(u * u * u * float64(pool))
		}
		mixed := scramble(pair)
		host := int(mixed>>8) % hosts
		c := connection{
			ms:      day.UnixMilli() + int64(i)*86_400_000/int64(t.n),
			src:     fmt.Sprintf("10.%d.%d.%d", host>>16, host>>8&255, host&255),
			dst:     fmt.Sprintf("%d.%d.%d.%d", 20+mixed>>24%60, mixed>>16&255, mixed>>8&255, mixed&255),
			srcPort: 1024 + r.IntN(60000), dstPort: []int{443, 443, 80, 8443}[mixed%4],
			service:  []string{"ssl", "ssl", "http", ""}[mixed%4],
			uid:      fmt.Sprintf("C%017x", r.Uint64()>>4),
			duration: r.ExpFloat64() * 10, orig: r.IntN(5000), resp: r.IntN(50000),
			beat: beat, pair: i / 10 % t.beating(),
		}
		c.origIP = c.orig + 40*(1+r.IntN(20))
		visit(i, &c)
	}
}

// bulk appends a chunk's documents: connections as Security Onion stores them, without the fields that nothing here
// reads, and the other logs' records in full. It returns the number of documents.
func (t traffic) bulk(b []byte, number int) ([]byte, int, error) {
	docs := 0
	t.each(number, func(_ int, c *connection) {
		docs++
		b = fmt.Appendf(b, "{\"create\":{}}\n{%q:%d,%q:%q,%q:\"zeek\",%q:%q,%q:\"so-sensor1\",%q:%q,%q:%d", securityonion.FieldTimestamp, c.ms,
			securityonion.FieldDataset, "zeek.conn", securityonion.FieldModule, securityonion.FieldUID, c.uid, securityonion.FieldObserver,
			securityonion.FieldSourceIP, c.src, securityonion.FieldSourcePort, c.srcPort)
		b = fmt.Appendf(b, ",%q:%q,%q:%d,%q:\"tcp\",%q:%.6f,%q:%d,%q:%d,%q:%d,%q:\"SF\",%q:\"ShADadFf\"", securityonion.FieldDestinationIP, c.dst,
			securityonion.FieldDestinationPort, c.dstPort, securityonion.FieldTransport, securityonion.FieldDuration, c.duration,
			securityonion.FieldClientBytes, c.orig, securityonion.FieldServerBytes, c.resp, securityonion.FieldClientIPBytes, c.origIP,
			securityonion.FieldConnState, securityonion.FieldHistory)
		if c.service != "" {
			b = fmt.Appendf(b, ",%q:%q", securityonion.FieldProtocol, c.service)
		}
		if c.beat > 0 { // the cluster's pipelines add it to every connection
			b = fmt.Appendf(b, `,"destination_geo":{"asn":%d,"organization_name":"Carrier %d"},"destination.geo.country_iso_code":"NL"`, 64512+c.pair, c.pair)
		}
		b = append(b, "}\n"...)
	})
	converters := map[string]*sodoc.Converter{}
	var failed error
	t.logs(number, func(log string, line []byte) {
		convert := converters[log]
		if convert == nil {
			var err error
			if convert, err = sodoc.NewConverter(log, sodoc.Meta{Observer: "so-sensor1"}); err != nil {
				failed = err
				return
			}
			converters[log] = convert
		}
		docs++
		b = append(b, "{\"create\":{}}\n"...)
		var err error
		if b, err = convert.Append(b, line); err != nil {
			failed = err
		}
		b = append(b, '\n')
	})
	return b, docs, failed
}

// logs calls line with what Zeek logs besides conn for a chunk, as JSON without newlines: a TLS record for one
// connection in five and a DNS query for one in five. For check-ins it adds a TLS record with its own certificate or a
// request with a file, and sometimes a query that resolves to the address, a notice, and the host's DHCP lease.
func (t traffic) logs(number int, line func(log string, text []byte)) {
	var b []byte
	put := func(log string, c *connection, format string, args ...any) {
		b = fmt.Appendf(b[:0], `{"ts":%s,"uid":%q,"id.orig_h":%q,"id.orig_p":%d,"id.resp_h":%q,"id.resp_p":%d,`, seconds(c.ms), c.uid, c.src, c.srcPort, c.dst, c.dstPort)
		line(log, append(fmt.Appendf(b, format, args...), '}'))
	}
	query := func(c *connection, name string) {
		to := *c
		to.dst, to.dstPort = "10.255.0.53", 53
		put("dns", &to, `"proto":"udp","query":%q,"qtype_name":"A","rcode_name":"NOERROR","answers":[%q]`, name, c.dst)
	}
	t.each(number, func(i int, c *connection) {
		switch i % 5 {
		case 0:
			put("ssl", c, `"version":"TLSv13","server_name":"www%d.example.com","established":true,"ja3":"%032x","ja4":"t13d1516h2_%012x"`, i%20_000, i, i%60)
		case 1:
			query(c, fmt.Sprintf("www%d.example.com", i%20_000))
		}
		if c.beat == 0 {
			return
		}
		switch c.service {
		case "ssl":
			put("ssl", c, `"version":"TLSv12","established":true,"cert_chain_fps":["%064x"],"subject":"CN=c%d","issuer":"CN=c%d","validation_status":"self signed certificate","ja3":"%032x","ja4":"t12d%d"`,
				c.pair+1, c.pair, c.pair, c.pair, c.pair%300)
			if c.beat == 1 {
				line("x509", fmt.Appendf(b[:0], `{"ts":%s,"id":"F%d","fingerprint":"%064x","certificate.subject":"CN=c%d","certificate.issuer":"CN=c%d","certificate.not_valid_before":1735689600.0,"certificate.not_valid_after":1798761600.0}`,
					seconds(c.ms), c.pair, c.pair+1, c.pair, c.pair))
			}
		case "http":
			put("http", c, `"method":"GET","host":"c%d.example.net","uri":"/a/%d.png","user_agent":"agent/%d","status_code":200,"resp_fuids":["F%s"],"resp_mime_types":["text/plain"]`, c.pair, c.beat%5, c.pair%300, c.uid)
			put("files", c, `"fuid":"F%s","source":"HTTP","mime_type":"text/plain","is_orig":false,"seen_bytes":%d`, c.uid, c.resp)
		}
		if c.beat%10 == 1 {
			query(c, fmt.Sprintf("c%d.example.net", c.pair))
		}
		if c.pair%50 == 0 {
			put("weird", c, `"name":"unknown_HTTP_method","notice":false,"peer":"zeek"`)
		}
		if c.beat != 1 {
			return
		}
		line("dhcp", fmt.Appendf(b[:0], `{"ts":%s,"uids":["C1"],"client_addr":%q,"mac":"02:00:00:00:%02x:%02x","host_name":"ws-%d","assigned_addr":%q}`, seconds(c.ms), c.src, c.pair>>8, c.pair&255, c.pair, c.src))
		if c.pair%100 == 0 {
			put("notice", c, `"proto":"tcp","note":"Scan::Port_Scan","msg":"a remark"`)
		}
	})
}

const tsvHeader = "#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n#path\tconn\n" +
	"#fields\tts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tproto\tservice\tduration\torig_bytes\tresp_bytes\tconn_state\tlocal_orig\tlocal_resp\tmissed_bytes\thistory\torig_pkts\torig_ip_bytes\tresp_pkts\tresp_ip_bytes\ttunnel_parents\n" +
	"#types\ttime\tstring\taddr\tport\taddr\tport\tenum\tstring\tinterval\tcount\tcount\tstring\tbool\tbool\tcount\tstring\tcount\tcount\tcount\tcount\tset[string]\n"

// tsv and json append a chunk as lines of conn.log.
func (t traffic) tsv(b []byte, number int) []byte {
	t.each(number, func(_ int, c *connection) {
		service := c.service
		if service == "" {
			service = "-"
		}
		b = fmt.Appendf(b, "%s\t%s\t%s\t%d\t%s\t%d\ttcp\t%s\t%.6f\t%d\t%d\tSF\tT\tF\t0\tShADadFf\t9\t%d\t9\t%d\t-\n", seconds(c.ms), c.uid, c.src, c.srcPort, c.dst, c.dstPort,
			service, c.duration, c.orig, c.resp, c.origIP, c.resp+360)
	})
	return b
}

func (t traffic) json(b []byte, number int) []byte {
	t.each(number, func(_ int, c *connection) {
		b = fmt.Appendf(b, `{"ts":%s,"uid":%q,"id.orig_h":%q,"id.orig_p":%d,"id.resp_h":%q,"id.resp_p":%d,"proto":"tcp",`, seconds(c.ms), c.uid, c.src, c.srcPort, c.dst, c.dstPort)
		if c.service != "" {
			b = fmt.Appendf(b, `"service":%q,`, c.service)
		}
		b = fmt.Appendf(b, `"duration":%.6f,"orig_bytes":%d,"resp_bytes":%d,"conn_state":"SF","local_orig":true,"local_resp":false,"missed_bytes":0,"history":"ShADadFf","orig_pkts":9,"orig_ip_bytes":%d,"resp_pkts":9,"resp_ip_bytes":%d}`+"\n",
			c.duration, c.orig, c.resp, c.origIP, c.resp+360)
	})
	return b
}

func seconds(ms int64) string { return strconv.FormatFloat(float64(ms)/1000, 'f', 6, 64) }

func (t traffic) chunks() int { return (t.n + chunk - 1) / chunk }

// scramble spreads pair numbers over hosts and addresses (Murmur3's finalizer). A mere product would give each host
// connections at nearly equal intervals, because pair numbers grow with time.
func scramble(pair uint32) uint32 {
	pair = (pair ^ pair>>16) * 0x85ebca6b
	pair = (pair ^ pair>>13) * 0xc2b2ae35
	return pair ^ pair>>16
}
