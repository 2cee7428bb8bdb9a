using ConcertSaga.Contracts;
using ConcertSaga.Contracts.Seats;
using ConcertSaga.Seats.Data;
using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Testing.Servers;
using ConcertSaga.Testing.Services;
using MassTransit;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Diagnostics;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace ConcertSaga.Seats.Tests.Fixtures;

/// <summary>The seats service with concerts 1 and 2 on sale. Each test adds its own schedules.</summary>
internal sealed class SeatsUnderTest(RunningService service, FakeTimeProvider clock, string connectionString) : IAsyncDisposable
{
    public static readonly DateTimeOffset Now = new(2026, 6, 1, 12, 0, 0, TimeSpan.Zero);

    private int _lastScheduleId;

    public RunningService Service { get; } = service;

    public FakeTimeProvider Clock { get; } = clock;

    /// <summary>The connection string of its database.</summary>
    public string ConnectionString => connectionString;

    public static Task<SeatsUnderTest> StartAsync(DatabaseProvider provider, PostgreSqlServer server,
        params (string Key, string Value)[] settings) =>
        StartAsync(provider, server, null, settings);

    public static async Task<SeatsUnderTest> StartAsync(
        DatabaseProvider provider, PostgreSqlServer server, IInterceptor? interceptor, params (string Key, string Value)[] settings)
    {
        var clock = new FakeTimeProvider(Now);
        var database = await TestDatabase.CreateAsync(provider, server, "Seats");
        var service = await RunningService.StartAsync(
            "Seats", database, clock,
            builder =>
            {
                builder.AddSeats();
                if (interceptor is null)
                    return;
                builder.Services.ConfigureDbContext<SqliteSeatsDbContext>(options => options.AddInterceptors(interceptor));
                builder.Services.ConfigureDbContext<PostgreSqlSeatsDbContext>(options => options.AddInterceptors(interceptor));
            },
            bus => bus.AddSeatsConsumers(), app => app.MapSeats(), settings);
        var seats = new SeatsUnderTest(service, clock, database.ConnectionString);
        await seats.SaveAsync(Concert(1, Now.AddDays(-1), Now.AddDays(60)), Concert(2, Now.AddDays(-1), Now.AddDays(60)));
        return seats;
    }

    public static Concert Concert(int concertId, DateTimeOffset opensAt, DateTimeOffset closesAt) =>
        new() { ConcertId = concertId, Title = $"Concert {concertId}", Venue = "Hall", SaleOpensAt = opensAt, SaleClosesAt = closesAt };

    public Task SaveAsync(params object[] rows) => Service.WithAsync<SeatsDbContext, int>(database =>
    {
        database.AddRange(rows);
        return database.SaveChangesAsync();
    });

    /// <summary>Adds a schedule with available seats at 1,000 points each.</summary>
    public async Task<int> AddScheduleAsync(int seats = 10, int concertId = 1, DateTimeOffset? startsAt = null)
    {
        var scheduleId = Interlocked.Increment(ref _lastScheduleId);
        await SaveAsync(new Schedule
        {
            ScheduleId = scheduleId,
            ConcertId = concertId,
            StartsAt = startsAt ?? Now.AddDays(30),
            TotalSeats = seats,
            AvailableSeats = seats,
            Seats = [.. Enumerable.Range(1, seats).Select(number => new Seat { Number = number, Price = 1_000 })]
        });
        return scheduleId;
    }

    /// <summary>
    /// Opens connections and compiles queries for as many commands as can run at a time, on another schedule. Without it, the first command
    /// of a crowd would finish before the others start, and there would be no race to test.
    /// </summary>
    public async Task WarmUpAsync()
    {
        var scheduleId = await AddScheduleAsync(seats: 32, concertId: 2);
        var commands = Enumerable.Range(1, 32).Select(number => Hold(scheduleId, number)).ToList();
        await Task.WhenAll(commands.Select(AskAsync));
        await Task.WhenAll(commands.Select(command => ConfirmAsync(command.ReservationId)));
        await Task.WhenAll(commands.Select(command => ReleaseAsync(command.ReservationId)));
    }

    public static HoldSeats Hold(int scheduleId, params int[] numbers)
    {
        // The id contains the time of the test's clock.
        var reservationId = Guid.CreateVersion7(Now);
        return new HoldSeats(reservationId, 1, $"user-{reservationId}", null, scheduleId, numbers);
    }

    public Task<object> AskAsync(HoldSeats command) => Service.AskAsync(CommandQueues.HoldSeats, command);

    public Task<object> ConfirmAsync(Guid reservationId) =>
        Service.AskAsync(CommandQueues.ConfirmSeats, new ConfirmSeats(reservationId, 1));

    public Task<object> ReleaseAsync(Guid reservationId) =>
        Service.AskAsync(CommandQueues.ReleaseSeats, new ReleaseSeats(reservationId, 1));

    public Task PublishAsync<T>(T message)
        where T : class => Service.WithAsync<IBus, bool>(async bus =>
    {
        await bus.Publish(message);
        return true;
    });

    public Task<Schedule> ScheduleAsync(int scheduleId) => Service.WithAsync<SeatsDbContext, Schedule>(database =>
        database.Schedules.AsNoTracking().Include(schedule => schedule.Seats).SingleAsync(schedule => schedule.ScheduleId == scheduleId));

    public Task<SeatHold> DecisionAsync(Guid reservationId) => Service.WithAsync<SeatsDbContext, SeatHold>(database =>
        database.SeatHolds.AsNoTracking().SingleAsync(hold => hold.ReservationId == reservationId));

    /// <summary>Asserts what must hold for a schedule whenever no command is running. Returns the schedule.</summary>
    public async Task<Schedule> AssertConsistentAsync(int scheduleId)
    {
        var schedule = await ScheduleAsync(scheduleId);
        var holds = await Service.WithAsync<SeatsDbContext, List<SeatHold>>(database =>
            database.SeatHolds.AsNoTracking().Where(hold => hold.ScheduleId == scheduleId).ToListAsync());
        var expected = holds.Where(hold => hold.Status is SeatHoldStatus.Held or SeatHoldStatus.Confirmed)
            .SelectMany(hold => hold.SeatNumbers.Select(number => (
                number, (Guid?)hold.ReservationId, hold.Status == SeatHoldStatus.Held ? SeatStatus.Held : SeatStatus.Sold)))
            .Order();
        var taken = schedule.Seats.Where(seat => seat.Status != SeatStatus.Available)
            .Select(seat => (seat.Number, seat.ReservationId, seat.Status)).Order();
        Assert.Equal(expected, taken);
        Assert.All(schedule.Seats, seat => Assert.Equal(seat.Status == SeatStatus.Available, seat.ReservationId is null));
        Assert.Equal(schedule.Seats.Count(seat => seat.Status == SeatStatus.Available), schedule.AvailableSeats);
        return schedule;
    }

    public ValueTask DisposeAsync() => Service.DisposeAsync();
}
