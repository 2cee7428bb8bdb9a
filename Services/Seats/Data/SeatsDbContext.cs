using System.Globalization;
using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Shared.Hosting.Operators;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.ChangeTracking;
using Microsoft.EntityFrameworkCore.Metadata.Builders;

namespace ConcertSaga.Seats.Data;

public abstract class SeatsDbContext(DbContextOptions options) : ServiceDbContext(options)
{
    public DbSet<Concert> Concerts => Set<Concert>();

    public DbSet<Schedule> Schedules => Set<Schedule>();

    public DbSet<VenuePlan> VenuePlans => Set<VenuePlan>();

    public DbSet<Seat> Seats => Set<Seat>();

    public DbSet<SeatHold> SeatHolds => Set<SeatHold>();

    public DbSet<OperatorAction> OperatorActions => Set<OperatorAction>();

    /// <summary>Finds the decision about a reservation; null if there is none yet.</summary>
    public Task<SeatHold?> FindDecisionAsync(Guid reservationId, CancellationToken cancellationToken) =>
        SeatHolds.AsNoTracking().FirstOrDefaultAsync(hold => hold.ReservationId == reservationId, cancellationToken);

    /// <summary>
    /// Locks a schedule's seats for a change. It must be the first statement of the transaction: other changes wait here, so later reads
    /// stay true until the commit, and two changes cannot deadlock.
    /// </summary>
    /// <param name="scheduleId">The schedule.</param>
    /// <param name="freed">The number of seats that become available; negative if they are taken.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public Task ChangeSeatMapAsync(int scheduleId, int freed, CancellationToken cancellationToken) =>
        Schedules.Where(schedule => schedule.ScheduleId == scheduleId).ExecuteUpdateAsync(
            set => set
                .SetProperty(schedule => schedule.Version, schedule => schedule.Version + 1)
                .SetProperty(schedule => schedule.AvailableSeats, schedule => schedule.AvailableSeats + freed),
            cancellationToken);

    /// <summary>
    /// Locks a schedule for a change of its times or its cancellation, like <see cref="ChangeSeatMapAsync"/>. It skips a version, so each
    /// client that watches the seat map notices a gap and reads the map again.
    /// </summary>
    /// <returns>Whether the schedule exists.</returns>
    public async Task<bool> ChangeScheduleAsync(int scheduleId, CancellationToken cancellationToken) =>
        await Schedules.Where(schedule => schedule.ScheduleId == scheduleId).ExecuteUpdateAsync(
            set => set.SetProperty(schedule => schedule.Version, schedule => schedule.Version + 2), cancellationToken) == 1;

    protected override void OnModelCreating(ModelBuilder model)
    {
        model.Entity<Concert>(concert =>
        {
            concert.Property(c => c.ConcertId).ValueGeneratedNever();
            concert.Property(c => c.Title).HasMaxLength(200);
            concert.Property(c => c.Venue).HasMaxLength(200);
            // Replicas of the previous version insert concerts without it.
            concert.Property(c => c.TimeZone).HasMaxLength(64).HasDefaultValue(Concert.DefaultTimeZone);
            concert.HasMany(c => c.Schedules).WithOne(s => s.Concert).HasForeignKey(s => s.ConcertId).OnDelete(DeleteBehavior.Restrict);
        });
        model.Entity<Schedule>(schedule =>
        {
            schedule.Property(s => s.ScheduleId).ValueGeneratedNever();
            // No foreign key: its index would serve no query, and plans are never deleted.
            schedule.Property(s => s.VenuePlanId).HasMaxLength(32);
            // For listing the schedules of a concert in order, page by page.
            schedule.HasIndex(s => new { s.ConcertId, s.StartsAt, s.ScheduleId });
            schedule.HasMany(s => s.Seats).WithOne(s => s.Schedule).HasForeignKey(s => s.ScheduleId).OnDelete(DeleteBehavior.Restrict);
        });
        model.Entity<VenuePlan>(plan => plan.Property(p => p.VenuePlanId).HasMaxLength(32).ValueGeneratedNever());
        model.Entity<Seat>(seat =>
        {
            seat.HasKey(s => new { s.ScheduleId, s.Number });
            seat.Property(s => s.Status).HasConversion<string>().HasMaxLength(16);
            // No index but the key: every hold, sale and release is cheaper if it changes no indexed column. The seats of a reservation
            // are found among the few of its schedule (docs/index-study.md).
        });
        model.Entity<SeatHold>(hold =>
        {
            hold.HasKey(h => h.ReservationId);
            hold.Property(h => h.ReservationId).ValueGeneratedNever();
            hold.Property(h => h.UserId).HasMaxLength(200);
            hold.Property(h => h.Status).HasConversion<string>().HasMaxLength(16);
            hold.Property(h => h.Code).HasMaxLength(64);
            StoreAsText(hold.Property(h => h.SeatNumbers));
            StoreAsText(hold.Property(h => h.RefusedSeats));
            // For counting the seats a user has of a concert.
            hold.HasIndex(h => new { h.UserId, h.ConcertId });
            // For the cleaner. A sale never touches this index.
            hold.HasIndex(h => h.UpdatedAt).HasFilter("\"Status\" IN ('Refused', 'Released')");
        });
        model.AddOperatorActions();
    }

    // As "7,8", readable in any query tool.
    private static void StoreAsText(PropertyBuilder<int[]> numbers) => numbers.HasConversion(
        value => string.Join(',', value),
        text => Parse(text),
        new ValueComparer<int[]>((a, b) => a!.SequenceEqual(b!), value => value.Length, value => value.ToArray()));

    private static int[] Parse(string text) =>
        [.. text.Split(',', StringSplitOptions.RemoveEmptyEntries).Select(number => int.Parse(number, CultureInfo.InvariantCulture))];
}

public sealed class SqliteSeatsDbContext(DbContextOptions<SqliteSeatsDbContext> options) : SeatsDbContext(options);

public sealed class PostgreSqlSeatsDbContext(DbContextOptions<PostgreSqlSeatsDbContext> options) : SeatsDbContext(options)
{
    protected override void OnModelCreating(ModelBuilder model)
    {
        base.OnModelCreating(model);
        // Leaves room for the new version of a row beside the old one, so updates need not touch the index.
        model.Entity<Seat>().HasStorageParameter("fillfactor", 80);
    }
}

public sealed class SqlServerSeatsDbContext(DbContextOptions<SqlServerSeatsDbContext> options) : SeatsDbContext(options);

// Used by the migration tool only.
internal sealed class SqliteDesign() : DesignTimeContext<SqliteSeatsDbContext>(DatabaseProvider.Sqlite, o => new(o));

internal sealed class PostgreSqlDesign() : DesignTimeContext<PostgreSqlSeatsDbContext>(DatabaseProvider.PostgreSql, o => new(o));

internal sealed class SqlServerDesign() : DesignTimeContext<SqlServerSeatsDbContext>(DatabaseProvider.SqlServer, o => new(o));
