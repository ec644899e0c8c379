// Package protocol weighs protocol behavior (step 3 of the hunt). It always judges what the finding itself has
// (service, sizes, totals), and the ssl, x509, http, dns, weird and notice records if the source has them.
package protocol

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"dwell/internal/evidence"
	"dwell/internal/hunt"
)

// Judge judges protocol behavior.
type Judge struct{}

var _ evidence.Judge = Judge{}

// Revision is empty: the rules are the program's.
func (Judge) Revision() string { return "" }

// Judge implements [evidence.Judge].
func (Judge) Judge(ctx context.Context, h *evidence.Hunt, subjects []*evidence.Candidate) (hunt.Remarks, error) {
	var book hunt.FactBook
	var remarks hunt.Remarks
	ok := h.Source.Facts != nil
	if ok {
		wanted := make([]hunt.PairKey, len(subjects))
		for i, s := range subjects {
			wanted[i] = s.Key
		}
		var err error
		if book, remarks, err = h.Source.Facts(ctx, h.Request, wanted); err != nil {
			if ctx.Err() != nil {
				return remarks, ctx.Err()
			}
			ok, book = false, hunt.FactBook{}
			remarks.Gaps = append(remarks.Gaps, hunt.Note{What: "the other logs' evidence about the findings could not be looked up: " + err.Error(),
				Hint: "scores lack protocol behavior"})
		}
	}
	if ok {
		remarks.Notes = append(remarks.Notes, missing(book.Records, h.Missing)...)
		more, err := earlier(ctx, h, subjects, &book)
		if err != nil {
			return remarks, err
		}
		remarks.Add(more)
	}
	for i, s := range subjects {
		v := view{s: s, window: h.Window, outbound: h.Request.Scope.IsInternal(s.Key.Src), book: &book}
		if ok {
			v.Facts = book.Facts[i]
		}
		v.judge()
	}
	return remarks, nil
}

// earlier adds what TLS and HTTP records say about connections that began before the window: their handshakes are there.
// Candidates with such records in the window keep these.
func earlier(ctx context.Context, h *evidence.Hunt, subjects []*evidence.Candidate, book *hunt.FactBook) (hunt.Remarks, error) {
	var at []int
	var wanted []hunt.PairKey
	from := h.Window.Start
	for i, s := range subjects {
		f, start := &book.Facts[i], s.Finding.Event.Start.Time
		if f.TLS.Records > 0 || f.HTTP.Requests > 0 || !start.Before(h.Window.Start) || s.Key.DNS != "" {
			continue
		}
		at, wanted = append(at, i), append(wanted, s.Key)
		if start.Before(from) {
			from = start
		}
	}
	if len(at) == 0 {
		return hunt.Remarks{}, nil
	}
	req := h.Request
	req.From, req.To, req.Since, req.KeysAlone = from, h.Window.Start, 0, true
	past, remarks, err := h.Source.Facts(ctx, req, wanted)
	if err != nil {
		if ctx.Err() != nil {
			return remarks, ctx.Err()
		}
		remarks.Gaps = append(remarks.Gaps, hunt.Note{What: "what TLS and HTTP records say about connections that began before the window could not be looked up: " + err.Error(),
			Hint: "scores lack protocol behavior"})
		return remarks, nil
	}
	for n, i := range at {
		f := &book.Facts[i]
		f.TLS, f.HTTP, f.Values = past.Facts[n].TLS, past.Facts[n].HTTP, past.Facts[n].Values
		if s := subjects[i]; len(s.Names) == 0 {
			for _, name := range append(slices.Clone(f.TLS.Names), f.HTTP.Hosts...) {
				s.Names = append(s.Names, evidence.Name{Name: name.Value, Connections: name.Count})
			}
		}
	}
	return remarks, nil
}

// missing returns a note of the logs that the window lacks, except those already reported. Weird and notice logs exist
// only if something occurred, so their absence is normal.
func missing(records map[string]int64, told []string) []hunt.Note {
	var gone []string
	for _, log := range []string{"ssl", "x509", "http", "dns", "files"} {
		if records[log] == 0 && !slices.Contains(told, log) {
			gone = append(gone, log)
		}
	}
	if len(gone) == 0 {
		return nil
	}
	return []hunt.Note{{What: "protocol behavior is judged without " + strings.Join(gone, ", ") + " records: the window has none",
		Hint: "findings may score lower than they would with them", Logs: gone}}
}

// view is one subject with its facts.
type view struct {
	hunt.Facts
	s        *evidence.Candidate
	window   hunt.Window
	outbound bool
	book     *hunt.FactBook
	oddities []string
}

// odd adds a modifier.
func (v *view) odd(term, format string, args ...any) { v.oddBy(term, 1, format, args...) }

func (v *view) oddBy(term string, part float64, format string, args ...any) {
	v.s.ModifyBy(term, part, fmt.Sprintf(format, args...))
	v.oddities = append(v.oddities, term)
}

func (v *view) judge() {
	v.nameless()
	v.certificate()
	v.client()
	v.contents()
	v.programs()
	v.unanswered()
	v.flow()
	v.remarks()
	v.listed()
	v.tell()
}

// half reports whether n is at least half of all.
func half(n, all int64) bool { return n > 0 && 2*n >= all }

// tell records what was seen.
func (v *view) tell() {
	e := v.s.Finding.Dwell.Evidence
	p := &hunt.Protocol{Oddities: v.oddities, JA3: shown(v.TLS.JA3), JA4: shown(v.TLS.JA4), UserAgents: shown(v.HTTP.Agents),
		MIME: v.types(), Weird: of(v.Weird), Notices: of(v.Notices)}
	if len(v.TLS.Certificates) > 0 {
		c := v.TLS.Certificates[0]
		p.Certificate = &hunt.CertificateSeen{Hash: c.Hash, Subject: c.Subject, Issuer: c.Issuer, NotBefore: moment(c.NotBefore), NotAfter: moment(c.NotAfter)}
	}
	if p.Oddities != nil || p.Certificate != nil || p.JA3 != nil || p.JA4 != nil || p.UserAgents != nil || p.MIME != nil || p.Weird != nil || p.Notices != nil {
		e.Protocol = p
	}
	add := func(name string) {
		if name != "" && len(e.Names) < maxNames && !slices.Contains(e.Names, name) {
			if _, err := netip.ParseAddr(name); err != nil {
				e.Names = append(e.Names, name)
			}
		}
	}
	for _, list := range [][]hunt.Counted{v.TLS.Names, v.HTTP.Hosts} {
		for _, n := range list {
			add(n.Value)
		}
	}
	if len(e.Names) == 1 {
		e.Asked = e.Names[0]
	}
	for _, n := range v.Names {
		add(n.Value)
	}
	for _, c := range v.TLS.Certificates {
		add(strings.ToLower(commonName(c.Subject)))
	}
}

// maxNames is the maximum number of the destination's names.
const maxNames = 20

func of(list []hunt.Counted) []string {
	var out []string
	for _, c := range list {
		out = append(out, c.Value)
	}
	return out
}

// types are the response types, then other types of files.
func (v *view) types() []string {
	out := of(v.Values[hunt.BodyTypes])
	for _, c := range v.Files {
		if len(out) < hunt.FactsTop && !slices.Contains(out, c.MIME) {
			out = append(out, c.MIME)
		}
	}
	return out
}

func shown(list []hunt.Trait) []string {
	var out []string
	for _, t := range list {
		out = append(out, t.Value)
	}
	return out
}

func moment(ms int64) *hunt.Time {
	if ms == hunt.Absent {
		return nil
	}
	t := hunt.At(ms)
	return &t
}
