package elastic

import (
	"context"
	"fmt"
	"net/netip"

	"dwell/internal/es"
	"dwell/internal/es/dsl"
	"dwell/internal/hunt"
	"dwell/internal/securityonion"
)

// mostLocal is the number of addresses outside the internal networks that Zeek calls local and that are looked up;
// mostOutside is the number of sources for which out-of-scope traffic is split.
const mostLocal, mostOutside = 10_000, 1_000

// outside finds out what the scope leaves out of a reading's window, and reads with what it learned.
func (r *reading) outside(ctx context.Context) error {
	known := len(r.req.Scope.Local())
	var err error
	r.left, err = r.src.outside(ctx, r.place.now(), r.window.Start.UnixMilli(), r.window.End.UnixMilli(), &r.req.Scope, r.unreadable)
	if passes(err) { // which addresses are local is not known either
		r.mu.Lock()
		defer r.mu.Unlock()
		r.gaps = append(r.gaps, hunt.Note{What: err.Error()})
		return nil
	}
	if err != nil || len(r.req.Scope.Local()) == known {
		return err
	}
	r.query = r.anew()
	return r.checkFields(ctx)
}

// outside finds out once a hunt what the scope leaves out, by network, and which addresses Zeek calls local although no
// internal network has them: those are internal afterwards, as in files. It must not query indices whose addresses have
// another type: aggregating texts and addresses together makes the server close the connection.
func (s *Source) outside(ctx context.Context, names []string, from, to int64, scope *hunt.Scope, but []string) (hunt.OutOfScope, error) {
	var out hunt.OutOfScope
	if scope.Narrowed() {
		return out, nil
	}
	never := dsl.Terms(fieldDest, cidrs(hunt.NeverDestination()))
	local := func(own, flag string) object {
		return dsl.Under(dsl.All(dsl.Term(flag, true), dsl.Not(inside(scope, own), dsl.Terms(own, cidrs(hunt.NeverDestination())))), object{"by": dsl.Values(own, mostLocal, nil)})
	}
	aggs := object{
		"orig": local(fieldSource, securityonion.FieldLocalOrig), "resp": local(fieldDest, securityonion.FieldLocalResp),
		"neither": dsl.Under(dsl.Not(inside(scope, fieldSource), inside(scope, fieldDest), dsl.Terms(fieldSource, cidrs(hunt.NeverDestination()))), object{"by": dsl.Values(fieldSource, mostOutside, nil)}),
		"shared":  dsl.Under(dsl.All(inside(scope, fieldSource), dsl.Term(fieldDest, "100.64.0.0/10")), nil),
		"reverse": dsl.Under(reverse(scope), nil),
		"called":  dsl.Under(dsl.All(inside(scope, fieldSource), inside(scope, fieldDest), dsl.Not(dsl.Terms(fieldDest, cidrs(scope.Internal)))), object{"by": dsl.Values(fieldDest, mostOutside, nil)}),
	}
	type counted struct {
		Count int64 `json:"doc_count"`
		By    struct {
			Others  int64 `json:"sum_other_doc_count"`
			Buckets []struct {
				Key   netip.Addr `json:"key"`
				Count int64      `json:"doc_count"`
			} `json:"buckets"`
		} `json:"by"`
	}
	var a struct{ Orig, Resp, Neither, Shared, Reverse, Called counted }
	ask := func(aggs object) error {
		q := dsl.Search{Op: "count what is out of scope in", Index: names, Aggs: aggs,
			Query: dsl.All(between(from, to), only(datasetConn), dsl.Exists(fieldSource), dsl.Exists(fieldDest), dsl.Not(never, dsl.Terms("_index", append([]string{}, but...))))}
		return q.Aggregations(ctx, s.client, &a)
	}
	err := ask(aggs)
	if es.Is(err, es.TooBig, es.Overload) { // the counts one by one take a part of the memory
		for name, agg := range aggs {
			if err = ask(object{name: agg}); err != nil {
				break
			}
		}
	}
	if err != nil {
		return out, fmt.Errorf("count what is out of scope: %w", err)
	}
	learned := false
	for _, l := range []counted{a.Orig, a.Resp} {
		for _, k := range l.By.Buckets {
			learned = scope.AddLocal(k.Key.Unmap()) || learned
		}
	}
	if learned { // what is local is in scope now
		return s.outside(ctx, names, from, to, scope, but)
	}
	for _, k := range a.Neither.By.Buckets {
		out.Add(k.Key.Unmap(), k.Count)
	}
	for _, k := range a.Called.By.Buckets {
		out.AddCalled(k.Key.Unmap(), k.Count)
	}
	out.Others += a.Neither.By.Others
	if !scope.SharedIsExternal() && scope.IsInternal(netip.MustParseAddr("100.64.0.1")) {
		out.Shared = a.Shared.Count
	}
	out.Reverse = a.Reverse.Count
	return out, nil
}

// reverse matches connections across the border in the direction that is not hunted.
func reverse(scope *hunt.Scope) object {
	inner, outer := fieldDest, fieldSource
	switch scope.Direction {
	case hunt.Inbound:
		inner, outer = outer, inner
	case hunt.Both:
		return object{"match_none": object{}}
	case hunt.Outbound:
	}
	return dsl.All(inside(scope, inner), dsl.Not(inside(scope, outer), dsl.Terms(outer, cidrs(hunt.NeverDestination()))))
}

// inside matches internal addresses: of the internal networks, and those that Zeek calls local.
func inside(scope *hunt.Scope, field string) object { return dsl.Terms(field, insiders(scope)) }

func insiders(scope *hunt.Scope) []string {
	list := cidrs(scope.Internal)
	for _, a := range scope.Local() {
		list = append(list, a.String())
	}
	return list
}
