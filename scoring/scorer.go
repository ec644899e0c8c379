package scoring

// Scorer computes in memory that it reuses, so scoring allocates nothing after the longest series. The zero Scorer is
// ready. It is not safe for concurrent use: give each goroutine its own.
type Scorer struct {
	rita ritaScratch

	inside    []int64         // connections in the window
	start     []int64         // connections, ascending, ms
	checkIns  []int64         // check-ins, ascending, ms
	intervals []intervalOrder // between connections, by length
	rest      []intervalOrder // of the intervals, when modes are removed
	stride    []int64         // by place in time
	values    []int64         // for medians
	// lengths are those of intervals, less burst; restLengths those of rest.
	lengths, restLengths []float64

	intervalScratch []intervalOrder // for sorting
	intScratch      []int64

	pairs                 []int32 // ECHO's counts by distance
	near                  []echoCandidate
	open                  []interval // for unions of durations
	shape, logs           []float64  // intervals in seconds, and their logarithms
	stray, strays, ratios []float64  // likelihoods of stray intervals, their sums, and what a family adds

	folded []phase
	crowds []int32 // events of each period that has any
	// before are the numbers of events before each of foldWindows parts of a period, twice.
	before      [2*foldWindows + 1]int32
	foldLast    [foldWindows]int64
	foldCounts  [foldWindows]int
	factorials  []float64      // ln n!
	plans       [32]*transform // by number of bits of the length
	bins, power []float64
}
