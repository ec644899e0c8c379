package output

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/netip"
	"slices"
	"strings"

	"dwell/internal/hunt"
)

// stix is one STIX 2.1 object. Maps are encoded with sorted keys, so the same findings give the same bytes.
type stix map[string]any

// observed is the namespace that STIX 2.1 (2.9) defines for ids of observables.
var observed = [16]byte{0x00, 0xab, 0xed, 0xb4, 0xaa, 0x42, 0x46, 0x6c, 0x9c, 0x01, 0xfe, 0xd2, 0x33, 0x15, 0xa9, 0xb7}

// bundle collects objects, each id once.
type bundle struct {
	objects []stix
	has     map[string]bool
	creator string
}

// writeSTIX prints a STIX 2.1 bundle: for each finding its observables, observed data, an indicator, a sighting and
// their relationships; for a campaign a grouping. Ids derive from what the objects are about, so that a second export
// updates the first.
func writeSTIX(w io.Writer, findings []hunt.Finding) error {
	b := &bundle{has: map[string]bool{}}
	const epoch = "2026-01-01T00:00:00.000Z"
	b.creator = b.add(stix{"type": "identity", "id": id("identity", "dwell"), "spec_version": "2.1", "created": epoch, "modified": epoch,
		"name": "dwell", "identity_class": "system"})
	type group struct {
		of          *hunt.CampaignOf
		refs        []string
		first, last hunt.Time
	}
	groups := map[string]*group{}
	var order []string
	for i := range findings {
		f := &findings[i]
		refs := b.finding(f)
		c := f.Dwell.Campaign
		if c == nil {
			continue
		}
		g := groups[c.ID]
		if g == nil {
			g = &group{of: c, first: f.Event.Start, last: f.Event.End}
			groups[c.ID], order = g, append(order, c.ID)
		}
		if f.Event.Start.Before(g.first.Time) {
			g.first = f.Event.Start
		}
		if f.Event.End.After(g.last.Time) {
			g.last = f.Event.End
		}
		g.refs = append(g.refs, refs...)
	}
	for _, key := range order {
		g := groups[key]
		slices.Sort(g.refs)
		b.add(b.ours(stix{"type": "grouping", "id": id("grouping", key), "name": Clean(fmt.Sprintf("%s: %s hosts", g.of.Name, hunt.Count(g.of.Hosts))),
			"context": "suspicious-activity", "object_refs": slices.Compact(g.refs)}, g.first, g.last))
	}
	key := strings.Builder{}
	for _, o := range b.objects {
		fmt.Fprint(&key, o["id"], " ")
	}
	e := Encoder(w)
	e.SetIndent("", "  ")
	return e.Encode(stix{"type": "bundle", "id": id("bundle", key.String()), "objects": b.objects})
}

func id(kind, name string) string { return kind + "--" + uuid5(ours, kind+" "+name) }

func (b *bundle) add(o stix) string {
	name := o["id"].(string)
	if !b.has[name] {
		b.has[name] = true
		b.objects = append(b.objects, o)
	}
	return name
}

// ours sets the common properties of dwell's objects. Created is when the traffic started, modified when it was last
// seen.
func (b *bundle) ours(o stix, created, modified hunt.Time) stix {
	if modified.Before(created.Time) {
		modified = created
	}
	o["spec_version"], o["created_by_ref"], o["created"], o["modified"] = "2.1", b.creator, created, modified
	return o
}

// observable adds one, with the id derived from its contributing properties (STIX 2.1, 6).
func (b *bundle) observable(kind string, by, more stix) string {
	var text bytes.Buffer
	e := json.NewEncoder(&text) // sorted keys, no blanks: canonical JSON for strings and integers
	e.SetEscapeHTML(false)
	if err := e.Encode(by); err != nil {
		panic("output: encode an observable: " + err.Error()) // cannot happen: only strings and numbers
	}
	o := stix{"type": kind, "spec_version": "2.1", "id": kind + "--" + uuid5(observed, strings.TrimSpace(text.String()))}
	for _, m := range []stix{by, more} {
		for k, v := range m {
			o[k] = v
		}
	}
	return b.add(o)
}

func (b *bundle) address(a netip.Addr) string {
	kind := "ipv4-addr"
	if a.Is6() {
		kind = "ipv6-addr"
	}
	return b.observable(kind, stix{"value": a.String()}, nil)
}

// finding adds the objects of one finding, and returns the ids that a campaign refers to.
func (b *bundle) finding(f *hunt.Finding) (refs []string) {
	o := observablesOf(f)
	start, end := f.Event.Start, f.Event.End
	if end.Before(start.Time) {
		end = start
	}
	var src string
	if f.Source.IP.IsValid() {
		src = b.address(f.Source.IP)
		refs = append(refs, src)
	}
	var dst []string
	for _, a := range o.Addresses {
		dst = append(dst, b.address(a))
	}
	for _, n := range append(slices.Clone(o.Names), o.Below...) {
		dst = append(dst, b.observable("domain-name", stix{"value": n}, nil))
	}
	refs = append(refs, dst...)
	if src != "" && len(dst) > 0 {
		by := stix{"src_ref": src, "dst_ref": dst[0], "protocols": protocols(f), "start": start}
		if f.Destination.Port > 0 && f.Network.Transport != "icmp" {
			by["dst_port"] = f.Destination.Port
		}
		more := stix{"is_active": f.Dwell.Connection.Open != nil, "src_byte_count": max(f.Client.Bytes, 0), "dst_byte_count": max(f.Server.Bytes, 0)}
		if f.Dwell.Connection.Open == nil { // active traffic must not have an end (STIX 2.1, 6.12)
			more["end"] = end
		}
		refs = append(refs, b.observable("network-traffic", by, more))
	}
	if len(refs) == 0 {
		return nil
	}
	seen := b.add(b.ours(stix{"type": "observed-data", "id": id("observed-data", f.Dwell.FindingID+" "+f.Dwell.HuntID), "first_observed": start, "last_observed": end,
		"number_observed": many(f.Network.Connections), "object_refs": refs}, start, end))
	out := []string{seen}
	pattern := pattern(&o)
	if pattern == "" {
		return out
	}
	kind := "anomalous-activity" // escalated and safelisted contradict each other: that is neither of these
	switch {
	case confirmed(f):
		kind = "malicious-activity"
	case f.Dwell.Disposition == hunt.Benign || f.Dwell.Safelisted && f.Dwell.Disposition != hunt.Escalated:
		kind = "benign"
	}
	indicator := b.add(b.ours(stix{"type": "indicator", "id": id("indicator", f.Dwell.FindingID), "name": Clean(f.Dwell.Pair), "description": summary(f),
		"indicator_types": []string{kind}, "pattern": pattern, "pattern_type": "stix", "pattern_version": "2.1", "valid_from": start,
		"confidence": int(math.Round(100 * min(max(f.Dwell.Score, 0), 1))), "labels": labels(f)}, start, end))
	sighting := b.add(b.ours(stix{"type": "sighting", "id": id("sighting", f.Dwell.FindingID+" "+f.Dwell.HuntID), "sighting_of_ref": indicator, "observed_data_refs": []string{seen},
		"where_sighted_refs": []string{b.creator}, "first_seen": start, "last_seen": end, "count": many(f.Network.Connections)}, start, end))
	based := b.add(b.ours(stix{"type": "relationship", "id": id("relationship", indicator+" "+seen), "relationship_type": "based-on", "source_ref": indicator, "target_ref": seen}, start, end))
	return append(out, indicator, sighting, based)
}

// many is a count within STIX's bounds: 1 to 999,999,999.
func many(n int64) int64 { return min(max(n, 1), 999_999_999) }

func labels(f *hunt.Finding) []string {
	out := append([]string{}, f.Dwell.Indicators...)
	if f.Dwell.Severity != "" {
		out = append(out, "severity:"+f.Dwell.Severity)
	}
	if f.Dwell.Safelisted {
		out = append(out, "safelisted")
	}
	return append(out, "disposition:"+orDash(f.Dwell.Disposition))
}

// protocols are ordered from the outermost in, as STIX requires.
func protocols(f *hunt.Finding) []string {
	ip := "ipv4"
	if f.Source.IP.Is6() {
		ip = "ipv6"
	}
	out := []string{ip}
	if slices.Contains([]string{"tcp", "udp", "icmp"}, f.Network.Transport) {
		out = append(out, f.Network.Transport)
	}
	for _, s := range strings.Split(f.Network.Protocol, ",") {
		if s = Clean(strings.TrimSpace(s)); s != "" {
			out = append(out, s)
		}
	}
	return out
}

// pattern is the finding in STIX's patterning language; empty if there is nothing to match. A known service's addresses
// are left out, because a match would be about its other customers.
func pattern(o *observables) string {
	var parts []string
	is := func(object, op, value string) {
		parts = append(parts, fmt.Sprintf("%s %s '%s'", object, op, strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(value)))
	}
	for _, n := range o.Names {
		is("domain-name:value", "=", n)
	}
	for _, n := range o.Below {
		is("domain-name:value", "=", n)
		is("domain-name:value", "LIKE", "%."+strings.ReplaceAll(n, "_", `\_`))
	}
	switch {
	case o.Shared != "":
	case len(o.Networks) > 0:
		for _, p := range o.Networks {
			is(addressOf(p.Addr()), "ISSUBSET", p.String())
		}
	default:
		for _, a := range o.Addresses {
			is(addressOf(a), "=", a.String())
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return "[" + strings.Join(parts, " OR ") + "]"
}

func addressOf(a netip.Addr) string {
	if a.Is6() {
		return "ipv6-addr:value"
	}
	return "ipv4-addr:value"
}
