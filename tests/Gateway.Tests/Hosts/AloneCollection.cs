namespace ConcertSaga.Gateway.Tests.Hosts;

/// <summary>Tests that read process-wide metrics, so no other test runs at the same time.</summary>
[CollectionDefinition(nameof(AloneCollection), DisableParallelization = true)]
public sealed class AloneCollection;
