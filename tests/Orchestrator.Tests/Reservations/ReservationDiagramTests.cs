using System.Text.RegularExpressions;
using ConcertSaga.Orchestrator.Tests.Hosts;

namespace ConcertSaga.Orchestrator.Tests.Reservations;

/// <summary>The diagram shows exactly the transitions of the table.</summary>
public sealed partial class ReservationDiagramTests
{
    [Fact]
    public void Diagram_Arrows_AreTheTransitionsOfTheTable()
    {
        var drawn = Arrow().Matches(new Machine().Draw()).Select(arrow => (From: arrow.Groups[1].Value, To: arrow.Groups[2].Value));
        var expected = Transitions.All.Where(row => row.Then is not null).Select(row => (From: row.State, To: row.Then!.State)).Distinct();

        Assert.Equal(expected.Order(), drawn.Distinct().Order());
    }

    [Fact]
    public void Diagram_Committed_IsWhatTheMachineDraws() =>
        Assert.True(File.ReadAllText(Path.Combine(Testing.Repository.Root, "docs", "saga.mmd")) == new Machine().Draw(),
            "docs/saga.mmd is not what the machine draws; run 'dotnet run --project AllInOne -- docs' and commit the result.");

    [GeneratedRegex(@"^\s+(\w+) --> (\w+): \w+$", RegexOptions.Multiline)]
    private static partial Regex Arrow();
}
