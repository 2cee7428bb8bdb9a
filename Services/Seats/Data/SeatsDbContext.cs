using System.Globalization;
using ConcertSaga.Shared.Hosting.Databases;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.ChangeTracking;
using Microsoft.EntityFrameworkCore.Metadata.Builders;

namespace ConcertSaga.Seats.Data;

public abstract class SeatsDbContext : DbContext
{
    protected SeatsDbContext(DbContextOptions options)
        : base(options) =>
        // A transaction here is undone as a whole, never in parts; a savepoint before each save would cost a round trip for nothing.
        Database.AutoSavepointsEnabled = false;

    public DbSet<Concert> Concerts => Set<Concert>();

    public DbSet<Schedule> Schedules => Set<Schedule>();

    public DbSet<Seat> Seats => Set<Seat>();

    public DbSet<SeatHold> SeatHolds => Set<SeatHold>();

    /// <summary>What was decided about a reservation, if anything.</summary>
    public Task<SeatHold?> FindDecisionAsync(Guid reservationId, CancellationToken cancellationToken) =>
        SeatHolds.AsNoTracking().FirstOrDefaultAsync(hold => hold.ReservationId == reservationId, cancellationToken);

    /// <summary>
    /// Begins a change of a date's seats: the first statement of its transaction, always. Whoever else wants to change them waits here, so
    /// what is read afterwards stays true until the commit, and no two changes ever wait for each other in a circle.
    /// </summary>
    /// <param name="scheduleId">The date.</param>
    /// <param name="freed">How many seats become available; negative where they are taken.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public Task ChangeSeatMapAsync(int scheduleId, int freed, CancellationToken cancellationToken) =>
        Schedules.Where(schedule => schedule.ScheduleId == scheduleId).ExecuteUpdateAsync(
            set => set
                .SetProperty(schedule => schedule.Version, schedule => schedule.Version + 1)
                .SetProperty(schedule => schedule.AvailableSeats, schedule => schedule.AvailableSeats + freed),
            cancellationToken);

    protected override void ConfigureConventions(ModelConfigurationBuilder conventions) => conventions.UseProductConventions(this);

    protected override void OnModelCreating(ModelBuilder model)
    {
        model.Entity<Concert>(concert =>
        {
            concert.Property(c => c.ConcertId).ValueGeneratedNever();
            concert.Property(c => c.Title).HasMaxLength(200);
            concert.Property(c => c.Venue).HasMaxLength(200);
            concert.HasMany(c => c.Schedules).WithOne(s => s.Concert).HasForeignKey(s => s.ConcertId).OnDelete(DeleteBehavior.Restrict);
        });
        model.Entity<Schedule>(schedule =>
        {
            schedule.Property(s => s.ScheduleId).ValueGeneratedNever();
            // The dates of a concert, in order, page by page.
            schedule.HasIndex(s => new { s.ConcertId, s.StartsAt, s.ScheduleId });
            schedule.HasMany(s => s.Seats).WithOne(s => s.Schedule).HasForeignKey(s => s.ScheduleId).OnDelete(DeleteBehavior.Restrict);
        });
        model.Entity<Seat>(seat =>
        {
            seat.HasKey(s => new { s.ScheduleId, s.Number });
            seat.Property(s => s.Status).HasConversion<string>().HasMaxLength(16);
            // Nothing but the key. Every hold, sale and release changes the other columns, and one that changes no indexed column is a good part
            // cheaper; the seats of a reservation are found among the few of its date (docs/index-study.md).
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
            // How many seats a user has of a concert.
            hold.HasIndex(h => new { h.UserId, h.ConcertId });
        });
    }

    // "7,8": readable in any query tool.
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
        // New versions of a seat find room beside the old one, so that its index is not touched; a page that a load filled to the brim has none.
        model.Entity<Seat>().HasStorageParameter("fillfactor", 80);
    }
}

public sealed class SqlServerSeatsDbContext(DbContextOptions<SqlServerSeatsDbContext> options) : SeatsDbContext(options);

// For the migration tool only.
internal sealed class SqliteDesign() : DesignTimeContext<SqliteSeatsDbContext>(DatabaseProvider.Sqlite, o => new(o));

internal sealed class PostgreSqlDesign() : DesignTimeContext<PostgreSqlSeatsDbContext>(DatabaseProvider.PostgreSql, o => new(o));

internal sealed class SqlServerDesign() : DesignTimeContext<SqlServerSeatsDbContext>(DatabaseProvider.SqlServer, o => new(o));
