using System.Text.RegularExpressions;
using ConcertSaga.OperatorConsole.Api;
using ConcertSaga.OperatorConsole.Parts;
using ConcertSaga.Testing;
using Xunit;

namespace ConcertSaga.Operations.Tests.Console;

public sealed partial class StateLayoutTests
{
    [Fact]
    public void Edges_OfTheDrawing_AreThoseOfTheSaga()
    {
        var saga = Transition().Matches(File.ReadAllText(Path.Combine(Repository.Root, "docs/saga.mmd")))
            .Select(match => new StateEdge(match.Groups[1].Value, match.Groups[2].Value)).Where(edge => edge.From != edge.To).ToHashSet();

        Assert.Equal(saga.Order(Comparer), StateLayout.Edges.Order(Comparer));
    }

    [Theory]
    [InlineData("AwaitingPayment", null, "DeductPoints ConfirmPayment ConfirmSeats",
        "AwaitingPayment>DeductingPoints DeductingPoints>ConfirmingPayment ConfirmingPayment>ConfirmingSeats ConfirmingSeats>Confirmed")]
    [InlineData("RefundingPoints", "Failed", "RefundPoints ReleaseSeats", "RefundingPoints>ReleasingSeats ReleasingSeats>Failed")]
    [InlineData("Cancelled", "Cancelled", "", "")]
    public void Path_ThatRemains_LeadsToTheOutcome(string state, string? outcome, string steps, string path)
    {
        var row = new ReservationShown(Guid.Empty, state, "", "", 1, 1, [], null, null, 0, null, null, outcome, null,
            steps.Split(' ', StringSplitOptions.RemoveEmptyEntries), 1, null, null, null, null, default, default, 1);

        Assert.Equal(path.Split(' ', StringSplitOptions.RemoveEmptyEntries).Order(),
            StateLayout.RemainingFor(row).Select(edge => $"{edge.From}>{edge.To}").Order());
    }

    private static readonly Comparer<StateEdge> Comparer =
        Comparer<StateEdge>.Create((a, b) => string.CompareOrdinal($"{a.From} {a.To}", $"{b.From} {b.To}"));

    [GeneratedRegex(@"^\s*(\w+) --> (\w+):", RegexOptions.Multiline)]
    private static partial Regex Transition();
}
