using Xunit.Sdk;
using Xunit.v3;

namespace ConcertSaga.EndToEnd.Tests.Systems;

/// <summary>
/// Runs classes that need the same settings one after the other. A change of settings restarts processes, and a cluster takes half a minute
/// for that.
/// </summary>
public sealed class SettingsOrder : ITestCollectionOrderer
{
    // Defaults, then other settings of the saga, and faults last. The unpaid holds of the crowd would expire in the middle of what follows
    // five minutes later, so it ends its part. The checks of invariants come after all that could disturb them.
    private static readonly Type[] Order =
    [
        typeof(StartTests), typeof(AppHostTests), typeof(ApiTests), typeof(SecurityTests), typeof(TicketTests), typeof(FrontendsPageTests),
        typeof(RelayTests), typeof(WaitingRoomTests), typeof(RaceTests), typeof(ScheduleTests), typeof(OutageTests), typeof(HoldRaceTests),
        typeof(CrowdTests), typeof(ChaosTests), typeof(KillTests), typeof(OperatorTests), typeof(AnsweredFaultTests),
        typeof(UnansweredFaultTests), typeof(InvariantTests)
    ];

    /// <inheritdoc />
    public IReadOnlyCollection<TTestCollection> OrderTestCollections<TTestCollection>(IReadOnlyCollection<TTestCollection> testCollections)
        where TTestCollection : ITestCollection =>
        [.. testCollections.OrderBy(collection => Array.FindIndex(Order,
            type => collection.TestCollectionDisplayName.Contains(type.FullName!, StringComparison.Ordinal)))];
}
