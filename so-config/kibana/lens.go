package kibana

import "strconv"

// visualization is Lens's name of the kind.
func (p *Panel) visualization() string {
	switch p.Kind {
	case Metric:
		return "lnsMetric"
	case Donut:
		return "lnsPie"
	case Table:
		return "lnsDatatable"
	case Bars, Lines, Text, Found:
	}
	return "lnsXY"
}

// state is the panel in Lens's format: one layer with a column per group and value.
func (p *Panel) state(layer string) map[string]any {
	columns := map[string]any{}
	var order, groups, values []string
	for i, g := range p.By {
		id := "group" + strconv.Itoa(i)
		columns[id] = g.column()
		order, groups = append(order, id), append(groups, id)
	}
	for i, v := range p.Values {
		id := "value" + strconv.Itoa(i)
		columns[id] = v.column()
		order, values = append(order, id), append(values, id)
	}
	return map[string]any{
		"query": query(p.kql()), "filters": []any{}, "internalReferences": []any{}, "adHocDataViews": map[string]any{},
		"datasourceStates": map[string]any{"formBased": map[string]any{"layers": map[string]any{layer: map[string]any{
			"columnOrder": order, "columns": columns, "incompleteColumns": map[string]any{}}}}},
		"visualization": p.drawing(layer, groups, values),
	}
}

// drawing assigns columns to the parts of the visualization.
func (p *Panel) drawing(layer string, groups, values []string) map[string]any {
	switch p.Kind {
	case Metric:
		return map[string]any{"layerId": layer, "layerType": "data", "metricAccessor": values[0]}
	case Donut:
		return map[string]any{"shape": "donut", "layers": []any{map[string]any{"layerId": layer, "layerType": "data", "primaryGroups": groups, "metrics": values,
			"numberDisplay": "value", "categoryDisplay": "default", "legendDisplay": "default", "nestedLegend": false}}}
	case Table:
		var columns []any
		for _, id := range append(append([]string{}, groups...), values...) {
			column := map[string]any{"columnId": id}
			if id == "group0" && p.W == 48 { // names are longer than numbers, and Lens gives all columns the same width
				column["width"] = 300
			}
			columns = append(columns, column)
		}
		return map[string]any{"layerId": layer, "layerType": "data", "columns": columns, "sorting": map[string]any{"columnId": values[0], "direction": "desc"}}
	case Bars, Lines, Text, Found:
	}
	series := "bar_stacked"
	if p.Kind == Lines {
		series = "line"
	}
	l := map[string]any{"layerId": layer, "layerType": "data", "seriesType": series, "xAccessor": groups[0], "accessors": values, "position": "top", "showGridlines": false}
	if len(groups) > 1 {
		l["splitAccessor"] = groups[1]
	}
	return map[string]any{"preferredSeriesType": series, "layers": []any{l}, "legend": map[string]any{"isVisible": true, "position": "bottom"}, "valueLabels": "hide", "fittingFunction": "None"}
}

// column is a group in Lens's format. Groups are sorted by the panel's first value.
func (g Group) column() map[string]any {
	c := map[string]any{"label": g.Label, "customLabel": true, "sourceField": g.Field, "isBucketed": true}
	if g.Size == 0 {
		c["operationType"], c["dataType"], c["scale"] = "date_histogram", "date", "interval"
		c["params"] = map[string]any{"interval": "auto", "includeEmptyRows": true, "dropPartials": false}
		return c
	}
	c["operationType"], c["dataType"], c["scale"] = "terms", termType(g.Field), "ordinal"
	c["params"] = map[string]any{"size": g.Size, "orderBy": map[string]any{"type": "column", "columnId": "value0"}, "orderDirection": "desc",
		"otherBucket": false, "missingBucket": false, "parentFormat": map[string]any{"id": "terms"}}
	return c
}

// termType is Lens's name for the type of a grouped field.
func termType(field string) string {
	switch field {
	case "source.ip", "destination.ip", "dwell.internal_ip":
		return "ip"
	case "destination.port", "source.port":
		return "number"
	case "dwell.safelisted", "dwell.hunt.complete":
		return "boolean"
	}
	return "string"
}

// column is a value in Lens's format.
func (v Value) column() map[string]any {
	c := map[string]any{"label": v.Label, "customLabel": true, "operationType": string(v.Op), "dataType": "number", "isBucketed": false, "scale": "ratio",
		"sourceField": v.Field, "params": map[string]any{"emptyAsNull": true}}
	if v.isDate() {
		c["dataType"] = "date"
	}
	if v.Op == Last {
		c["params"] = map[string]any{"sortField": "@timestamp", "showArrayValues": true}
		c["filter"] = query(v.Field + ": *")
		if t := termType(v.Field); !v.isNumber() {
			c["dataType"], c["scale"] = t, "ordinal"
		}
	}
	return c
}

// isDate reports whether the field is a time.
func (v Value) isDate() bool { return v.Field == "dwell.window.end" || v.Field == "event.start" }

// isNumber reports whether a field shown by its last value is a number.
func (v Value) isNumber() bool {
	return v.Field == "beacon.jitter" || v.Field == "dwell.evidence.prevalence.hosts"
}
