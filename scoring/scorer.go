package scoring

// Scorer computes with memory that it uses again, so that scoring allocates nothing once it has seen a series as long
// as the longest. The zero Scorer is ready. It is not safe for concurrent use: give each goroutine its own.
type Scorer struct {
	rita ritaScratch
}
