using ConcertSaga.Contracts;
using ConcertSaga.Contracts.Seats;
using ConcertSaga.Orchestrator;
using ConcertSaga.Orchestrator.Reservations;
using ConcertSaga.Seats;
using ConcertSaga.Seats.Data;
using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Testing;
using ConcertSaga.Testing.Services;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;

namespace ConcertSaga.Benchmarks.Volume;

/// <summary>
/// The statements of the study, captured from the services while each handles one request. The relay's statement is a constant of its code.
/// </summary>
internal sealed record CapturedStatements(
    SentStatement SeatMap, SentStatement Schedules, SentStatement SeatsOfUser, SentStatement Hold, SentStatement Sell,
    SentStatement ReservationsOfUser, SentStatement Overdue, SentStatement Due)
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    public static async Task<CapturedStatements> CaptureAsync(
        string seatsAddress, string orchestratorAddress, SentStatement due, Catalogue catalogue)
    {
        var sent = new SentStatements();
        SentStatement seatMap, schedules, seatsOfUser, hold, sell, reservationsOfUser, overdue;
        await using (var seats = await RunningService.StartAsync(
            "Seats", TestDatabase.At(DatabaseProvider.PostgreSql, seatsAddress), TimeProvider.System,
            builder =>
            {
                builder.AddSeats();
                builder.Services.ConfigureDbContext<PostgreSqlSeatsDbContext>(options => options.AddInterceptors(sent));
            },
            bus => bus.AddSeatsConsumers(), app => app.MapSeats()))
        {
            // The last schedule with seats is in the future.
            var scheduleId = catalogue.SchedulesWithSeats;
            var concertId = (scheduleId - 1) % catalogue.Concerts + 1;
            using var client = seats.ClientOf("mina");
            var now = TimeProvider.System.GetUtcNow();
            await client.GetStringAsync($"/api/schedules/{scheduleId}/seats");
            // The last statement overall can be another: the service also publishes its concerts periodically.
            seatMap = Last("JOIN \"Schedules\"");
            await client.GetStringAsync($"/api/concerts/{concertId}/schedules?from={Day(now.AddDays(10))}&to={Day(now.AddDays(40))}");
            schedules = Last("\"AvailableSeats\"");
            var command = new HoldSeats(Guid.CreateVersion7(), 1, "mina", null, scheduleId,
                [Catalogue.SeatsPerSchedule - 1, Catalogue.SeatsPerSchedule]);
            await seats.AskAsync(CommandQueues.HoldSeats, command);
            seatsOfUser = Last("sum(");
            hold = Last("UPDATE \"Seats\"");
            await seats.AskAsync(CommandQueues.ConfirmSeats, new ConfirmSeats(command.ReservationId, 1));
            sell = Last("UPDATE \"Seats\"");
        }
        IConfiguration? configuration = null;
        await using (var orchestrator = await RunningService.StartAsync(
            "Orchestrator", TestDatabase.At(DatabaseProvider.PostgreSql, orchestratorAddress), TimeProvider.System,
            builder =>
            {
                configuration = builder.Configuration;
                builder.AddOrchestrator();
                builder.Services.ConfigureDbContext<PostgreSqlOrchestratorDbContext>(options => options.AddInterceptors(sent));
            },
            bus => bus.AddOrchestratorConsumers(configuration!), app => app.MapOrchestrator()))
        {
            using var client = orchestrator.ClientOf("user-7");
            await client.GetStringAsync("/api/reservations");
            reservationsOfUser = Last("\"CreatedAt\" DESC");
            await Eventually.TrueAsync(
                () => sent.All.Any(statement => statement.Text.Contains("\"Deadline\" <=", StringComparison.Ordinal)), Limit,
                    "the sweeper has run");
            overdue = Last("\"Deadline\" <=");
        }
        return new CapturedStatements(seatMap, schedules, seatsOfUser, hold, sell, reservationsOfUser, overdue, due);

        SentStatement Last(string part) => sent.All.Last(statement => statement.Text.Contains(part, StringComparison.Ordinal));
    }

    private static string Day(DateTimeOffset instant) =>
        instant.UtcDateTime.ToString("yyyy-MM-dd", System.Globalization.CultureInfo.InvariantCulture);
}
