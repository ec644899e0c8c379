package main

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"dwell/internal/securityonion"
)

// day is when made traffic begins.
var day = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)

// chunk is how many connections are made at a time, each chunk by a seed of its own.
const chunk = 5000

// traffic is a day of n connections in order of time. Six in ten are a pair's only one; the others fall on n/15 pairs,
// few of which have many. So pairs and machines grow as connections do: two pairs in three connections.
type traffic struct{ n int }

// connection is one of them, as text where logs have text.
type connection struct {
	ms                 int64
	src, dst           string
	srcPort, dstPort   int
	service, uid       string
	duration           float64
	orig, resp, origIP int
}

// each calls visit with the connections of a chunk.
func (t traffic) each(number int, visit func(i int, c *connection)) {
	r := rand.New(rand.NewPCG(uint64(number), 7))
	hosts, pool := t.n/600+10, t.n/15+1
	for i := number * chunk; i < min((number+1)*chunk, t.n); i++ {
		pair := uint32(pool + i)
		if r.IntN(10) >= 6 {
			u := r.Float64()
			pair = uint32(u * u * u * float64(pool))
		}
		mixed := pair * 0x9E3779B1
		host := int(mixed>>8) % hosts
		c := connection{
			ms:      day.UnixMilli() + int64(i)*86_400_000/int64(t.n),
			src:     fmt.Sprintf("10.%d.%d.%d", host>>16, host>>8&255, host&255),
			dst:     fmt.Sprintf("%d.%d.%d.%d", 20+mixed>>24%60, mixed>>16&255, mixed>>8&255, mixed&255),
			srcPort: 1024 + r.IntN(60000), dstPort: []int{443, 443, 80, 8443}[mixed%4],
			service:  []string{"ssl", "ssl", "http", ""}[mixed%4],
			uid:      fmt.Sprintf("C%017x", r.Uint64()>>4),
			duration: r.ExpFloat64() * 10, orig: r.IntN(5000), resp: r.IntN(50000),
		}
		c.origIP = c.orig + 40*(1+r.IntN(20))
		visit(i, &c)
	}
}

// bulk appends the documents of a chunk, as Security Onion stores them less what nobody here reads: every connection, a
// TLS record for one in five and a query for one in five. It gives how many documents there are.
func (t traffic) bulk(b []byte, number int) ([]byte, int) {
	docs := 0
	begin := func(dataset string, c *connection) {
		docs++
		b = fmt.Appendf(b, "{\"create\":{}}\n{%q:%d,%q:%q,%q:\"zeek\",%q:%q,%q:\"so-sensor1\",%q:%q,%q:%d", securityonion.FieldTimestamp, c.ms,
			securityonion.FieldDataset, dataset, securityonion.FieldModule, securityonion.FieldUID, c.uid, securityonion.FieldObserver,
			securityonion.FieldSourceIP, c.src, securityonion.FieldSourcePort, c.srcPort)
	}
	t.each(number, func(i int, c *connection) {
		begin("zeek.conn", c)
		b = fmt.Appendf(b, ",%q:%q,%q:%d,%q:\"tcp\",%q:%.6f,%q:%d,%q:%d,%q:%d,%q:\"SF\",%q:\"ShADadFf\"", securityonion.FieldDestinationIP, c.dst,
			securityonion.FieldDestinationPort, c.dstPort, securityonion.FieldTransport, securityonion.FieldDuration, c.duration,
			securityonion.FieldClientBytes, c.orig, securityonion.FieldServerBytes, c.resp, securityonion.FieldClientIPBytes, c.origIP,
			securityonion.FieldConnState, securityonion.FieldHistory)
		if c.service != "" {
			b = fmt.Appendf(b, ",%q:%q", securityonion.FieldProtocol, c.service)
		}
		b = append(b, "}\n"...)
		switch i % 5 {
		case 0:
			begin("zeek.ssl", c)
			b = fmt.Appendf(b, ",%q:%q,%q:%d,%q:\"www%d.example.com\"}\n", securityonion.FieldDestinationIP, c.dst, securityonion.FieldDestinationPort, c.dstPort, securityonion.FieldServerName, i%20_000)
		case 1:
			begin("zeek.dns", c)
			b = fmt.Appendf(b, ",%q:\"10.255.0.53\",%q:53,%q:\"www%d.example.com\",%q:\"A\"}\n", securityonion.FieldDestinationIP, securityonion.FieldDestinationPort, securityonion.FieldQuery, i%20_000, securityonion.FieldQueryType)
		}
	})
	return b, docs
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
