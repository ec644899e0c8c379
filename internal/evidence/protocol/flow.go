package protocol

import (
	"path"
	"slices"
	"strings"

	"dwell/internal/evidence"
	"dwell/internal/hunt"
)

// flow judges what the connections themselves show.
func (v *view) flow() {
	f, k := v.s.Finding, &v.s.Key
	v.service()
	const megabyte, times, hour = 1 << 20, 10, 3600
	if out, in := f.Client.Bytes, f.Server.Bytes; v.outbound && out >= megabyte && out >= times*in && f.Event.End.Sub(f.Event.Start.Time).Seconds() >= hour {
		v.odd(evidence.Upload, "uploads far more than it downloads: %s bytes out, %s in, over %s", hunt.Count(out), hunt.Count(in), hunt.Brief(f.Event.End.Sub(f.Event.Start.Time).Seconds()))
	}
	if z := v.s.Sizes; z.Known >= 20 && z.Share >= 0.95 && v.s.Indicators.Beacon > 0 && k.Proto != hunt.ICMP && !v.s.Has(evidence.Common) {
		v.odd(evidence.SameSize, "one payload size throughout, as programs send it")
		if slices.Contains(f.Dwell.Reasons, z.Reason()) {
			v.s.Described(evidence.SameSize)
		}
	}
	v.icmp()
	const many, long, random = 100, 24, 3.2
	if d := f.Dwell.DNS; d != nil && d.Names >= many && d.MeanLength >= long && d.Entropy >= random {
		v.odd(evidence.DNSNames, "names as long and as random as encoded data")
	}
}

// service compares the service that Zeek recognized with the port's.
func (v *view) service() {
	f, k := v.s.Finding, &v.s.Key
	want := hunt.Spoken(k.Port, k.Proto)
	if k.Kind() != "address" || want == nil {
		return
	}
	switch got := f.Network.Protocol; {
	case got == "":
		// Old Zeeks do not recognize QUIC, so an unrecognized service there says little.
		if k.Proto == hunt.TCP && f.Client.Bytes > 0 && f.Server.Bytes > 0 {
			v.odd(evidence.NoService, "unrecognized protocol on port %d, expected %s (%s)", k.Port, want[0], hunt.Many(f.Network.Connections, "connection"))
		}
	case !slices.ContainsFunc(strings.Split(got, ","), func(s string) bool { return slices.Contains(want, s) }):
		v.odd(evidence.OddService, "port %[1]d usually carries %[2]s, but this is %[3]s (%[4]s)", k.Port, want[0], got, hunt.Many(f.Network.Connections, "connection"))
	}
}

// icmp compares a message's data with a ping's: 32 bytes on Windows, 56 elsewhere. The number of messages per
// connection is not known here, but each has 28 bytes of headers besides its data.
func (v *view) icmp() {
	f := v.s.Finding
	if v.s.Key.Proto != hunt.ICMP || v.s.Sizes.Known == 0 || f.Network.Connections == 0 {
		return
	}
	const headers, ping = 28, 128
	data := float64(f.Client.Bytes) / float64(f.Network.Connections)
	if messages := (v.s.Sizes.Median - data) / headers; messages >= 1 && data/messages > ping {
		v.odd(evidence.ICMPData, "ICMP carries %s bytes per message, more than a ping (%s)", hunt.Count(int64(data/messages)), hunt.Many(f.Network.Connections, "connection"))
	}
}

// contents compares the content type with the extension of the requested path.
func (v *view) contents() {
	const enough = 5
	var all, wrong, most int64
	var example hunt.Content
	for _, c := range v.HTTP.Contents {
		p, _, _ := strings.Cut(c.URI, "?")
		fits, known := fits(strings.ToLower(path.Ext(p)), c.MIME)
		if !known {
			continue
		}
		all += c.Count
		if !fits {
			wrong += c.Count
			if c.Count > most {
				most, example = c.Count, c
			}
		}
	}
	if wrong >= enough && half(wrong, all) {
		v.odd(evidence.WrongContent, "content does not match the path: %s is %s (%s of %s)", clip(example.URI), example.MIME, hunt.Count(wrong), hunt.Count(all))
	}
}

// clip keeps the end of a long path, with its extension.
func clip(s string) string {
	const most = 60
	if len(s) <= most {
		return s
	}
	return "..." + s[len(s)-most:]
}

// fits reports whether files with an extension may have a type; known is false for extensions without a fixed type.
// Zeek reports scripts and style sheets as plain text, and compressed or encrypted files variously, so only the class
// is compared.
func fits(ext, mime string) (fits, known bool) {
	class, _, _ := strings.Cut(mime, "/")
	switch ext {
	case ".png", ".jpg", ".jpeg", ".gif", ".ico", ".bmp", ".webp":
		return class == "image", true
	case ".css", ".js", ".json", ".txt", ".csv", ".xml":
		return class == "text" || strings.Contains(mime, "javascript") || strings.Contains(mime, "json") || strings.Contains(mime, "xml"), true
	case ".exe", ".dll", ".msi", ".cab", ".zip", ".gz", ".7z", ".jar", ".pdf":
		return class == "application", true
	case ".mp4", ".mp3", ".avi", ".webm":
		return class == "video" || class == "audio" || class == "application", true
	}
	return false, false
}

// remarks are Zeek's own notices and weirds.
func (v *view) remarks() {
	for _, n := range v.Notices {
		// Certificates are judged above; the others are about the sensor.
		if about, _, _ := strings.Cut(n.Value, "::"); about == "SSL" || about == "CaptureLoss" || about == "PacketFilter" || about == "Weird" {
			continue
		}
		v.odd(evidence.Noticed, "Zeek notice: %s (%s)", n.Value, hunt.Many(n.Count, "time"))
		break
	}
	for _, w := range v.Weird {
		if !lossy(w.Value) && half(w.Count, v.s.Finding.Network.Connections) {
			v.odd(evidence.Weirdness, "Zeek weird: %s (%s)", w.Value, hunt.Many(w.Count, "time"))
			break
		}
	}
}

// lossy reports whether a weird is about packets lost, reordered or truncated by the sensor, not about their content.
func lossy(weird string) bool {
	if strings.HasPrefix(weird, "TCP_") || strings.HasPrefix(weird, "SYN_") || strings.HasPrefix(weird, "FIN_") || strings.HasPrefix(weird, "bad_") {
		return true
	}
	switch weird {
	case "above_hole_data_without_any_acks", "active_connection_reuse", "connection_originator_SYN_ack", "data_after_reset", "data_before_established",
		"excessive_data_without_further_acks", "fragment_with_DF", "inappropriate_FIN", "line_terminated_with_single_CR",
		"line_terminated_with_single_LF", "multiple_HTTP_request_elements", "no_SYN", "partial_finish", "pending_data_when_closed",
		"possible_split_routing", "premature_connection_reuse", "repeated_SYN_reply_wo_ack", "repeated_SYN_with_ack", "simultaneous_remove",
		"split_routing", "truncated_header", "truncated_tcp_payload", "unmatched_HTTP_reply", "unsolicited_SYN_response", "window_recision",
		"content_gap", "incompletely_captured_fragment", "dns_unmatched_msg", "dns_unmatched_reply", "dns_unmatched_query_id_quantity":
		return true
	}
	return false
}
