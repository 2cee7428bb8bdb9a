using Xunit;

namespace ConcertSaga.DataPlatform.Tests.Fixtures;

/// <summary>
/// Tests that read process-wide metrics, so no other test runs at the same time: the first host of a process that ends takes along the
/// metrics it shares with the others.
/// </summary>
[CollectionDefinition(nameof(AloneCollection), DisableParallelization = true)]
public sealed class AloneCollection;
