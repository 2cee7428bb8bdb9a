using System.Diagnostics.Metrics;
using ConcertSaga.Orchestrator.Operations;
using ConcertSaga.Orchestrator.Reservations;
using ConcertSaga.Orchestrator.Tests.Hosts;
using ConcertSaga.Orchestrator.Tests.Reservations;

namespace ConcertSaga.Orchestrator.Tests.Operations;

public sealed class ReservationCounterTests
{
    [Fact]
    public async Task Metrics_OfUnfinishedReservations_CountStatesOverdueAndStuck()
    {
        await using var host = await OrchestratorHost.StartAsync();
        var rows = ReservationStates.All.Select(Given.In).Append(Given.In(ReservationStates.ConfirmingSeats)).ToList();
        foreach (var row in rows)
            (row.UserId, row.UnpaidUserId) = ($"{row.CorrelationId}", null);
        rows[^1].StuckSince = Machine.Start.AddHours(-1);
        rows[^1].Deadline = Machine.Start.AddHours(1);
        await host.DatabaseAsync(database =>
        {
            database.AddRange(rows);
            return database.SaveChangesAsync();
        });
        var counter = host.Get<ReservationCounter>();
        await counter.RunOnceAsync(CancellationToken.None);

        var measured = new Dictionary<string, int>();
        using var listener = new MeterListener();
        listener.InstrumentPublished = (instrument, self) =>
        {
            if (instrument.Name.StartsWith("reservations.", StringComparison.Ordinal))
                self.EnableMeasurementEvents(instrument);
        };
        // Hosts of other tests have instruments of the same names.
        listener.SetMeasurementEventCallback<int>((instrument, value, tags, _) =>
        {
            var name = $"{instrument.Name} {(tags.Length > 0 ? tags[0].Value : "")}".Trim();
            measured[name] = Math.Max(value, measured.GetValueOrDefault(name));
        });
        listener.Start();
        listener.RecordObservableInstruments();

        Assert.Equal(9, measured["reservations.overdue"]);
        Assert.Equal(1, measured["reservations.stuck"]);
        Assert.Equal(2, measured["reservations.by_state ConfirmingSeats"]);
        Assert.Equal(1, measured["reservations.by_state AwaitingPayment"]);
        Assert.DoesNotContain("reservations.by_state Confirmed", measured.Keys);
    }
}
