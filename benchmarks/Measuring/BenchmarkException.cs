namespace ConcertSaga.Benchmarks.Measuring;

/// <summary>Ends a benchmark with one line and exit code 1.</summary>
public sealed class BenchmarkException(string message) : Exception(message);
