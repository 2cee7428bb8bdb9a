using ConcertSaga.Orchestrator.Reservations;
using ConcertSaga.Payments.Data;
using ConcertSaga.Points.Data;
using ConcertSaga.Seats.Data;
using ConcertSaga.Shared.Hosting.Operators;
using ConcertSaga.SqlServer.Tests.Emulation;
using ConcertSaga.Testing;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace ConcertSaga.SqlServer.Tests.Scenarios;

/// <summary>Deletes reservations after their retention, in every service.</summary>
internal static class RetentionScenario
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    public static async Task RunAsync(ProductHost host, ShiftedClock clock)
    {
        var (now, old) = (clock.GetUtcNow(), clock.GetUtcNow().AddDays(-401));
        await using var scope = host.Services.CreateAsyncScope();
        var orchestrator = scope.ServiceProvider.GetRequiredService<OrchestratorDbContext>();
        var seats = scope.ServiceProvider.GetRequiredService<SeatsDbContext>();
        var points = scope.ServiceProvider.GetRequiredService<PointsDbContext>();
        var payments = scope.ServiceProvider.GetRequiredService<PaymentsDbContext>();
        var (failed, paid) = (Row(ReservationStates.Failed, null), Row(ReservationStates.Confirmed, old));
        orchestrator.AddRange(failed, paid);
        await orchestrator.SaveChangesAsync();
        seats.Add(SeatHold.Tombstone(failed.CorrelationId, now));
        await seats.SaveChangesAsync();
        points.Add(new PointRefund { ReservationId = failed.CorrelationId, UserId = "tess", Amount = 0, CreatedAt = now });
        await points.SaveChangesAsync();
        payments.Add(Payment.Tombstone(failed.CorrelationId, now));
        await payments.SaveChangesAsync();

        await host.Services.GetRequiredService<FinishedCleaner>().RunOnceAsync(CancellationToken.None);
        await host.Services.GetRequiredService<OperatorActionCleaner<SeatsDbContext>>().RunOnceAsync(CancellationToken.None);

        await Eventually.TrueAsync(
            async () => !await seats.SeatHolds.AnyAsync(hold => hold.ReservationId == failed.CorrelationId)
                && !await points.PointRefunds.AnyAsync(refund => refund.ReservationId == failed.CorrelationId)
                && !await payments.Payments.AnyAsync(payment => payment.ReservationId == failed.CorrelationId),
            Limit, "every service has deleted the reservation");
        // Its concert has not started.
        Assert.Equal([paid.CorrelationId], await orchestrator.Reservations.Where(row => row.UserId == "tess")
            .Select(row => row.CorrelationId).ToListAsync());
        await orchestrator.Reservations.Where(row => row.UserId == "tess").ExecuteDeleteAsync();

        Reservation Row(string state, DateTimeOffset? confirmedAt) => new()
        {
            CorrelationId = Guid.CreateVersion7(old),
            CurrentState = state,
            UserId = "tess",
            ConcertId = 1,
            ScheduleId = 5,
            SeatNumbers = [1],
            TotalPrice = 1,
            IdempotencyKey = Guid.CreateVersion7(old),
            ConfirmedAt = confirmedAt,
            CreatedAt = old,
            UpdatedAt = old
        };
    }
}
