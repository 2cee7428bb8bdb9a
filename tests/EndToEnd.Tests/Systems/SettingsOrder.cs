using Xunit.Sdk;
using Xunit.v3;

namespace ConcertSaga.EndToEnd.Tests.Systems;

/// <summary>
/// Runs classes that need the same settings one after the other. A change of settings restarts processes, and a cluster takes half a minute
/// for that.
/// </summary>
public sealed class SettingsOrder : ITestCollectionOrderer
{
    // Each class with the settings it ends with: defaults, then the waiting room's, the relay's and the saga's, and faults last.
    private static readonly Type[] Order =
    [
        typeof(StartTests), typeof(AppHostTests), typeof(ApiTests), typeof(SecurityTests), typeof(TicketTests), typeof(FrontendsPageTests),
        typeof(CrowdTests), typeof(RelayTests), typeof(WaitingRoomTests), typeof(OutageTests), typeof(RaceTests), typeof(ScheduleTests), typeof(KillTests),
        typeof(OperatorTests), typeof(AnsweredFaultTests), typeof(UnansweredFaultTests), typeof(InvariantTests)
    ];

    /// <inheritdoc />
    public IReadOnlyCollection<TTestCollection> OrderTestCollections<TTestCollection>(IReadOnlyCollection<TTestCollection> testCollections)
        where TTestCollection : ITestCollection =>
        [.. testCollections.OrderBy(collection => Array.FindIndex(Order,
            type => collection.TestCollectionDisplayName.Contains(type.FullName!, StringComparison.Ordinal)))];
}
