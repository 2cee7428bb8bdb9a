using MassTransit;
using Microsoft.EntityFrameworkCore;

namespace ConcertSaga.Shared.Persistence.Tests.Hosts;

/// <summary>A row that a handler writes.</summary>
public sealed class Note
{
    public long Id { get; set; }

    public Guid About { get; set; }
}

/// <summary>A saga that sums numbers.</summary>
public sealed class Tally : SagaStateMachineInstance
{
    public Guid CorrelationId { get; set; }

    public string CurrentState { get; set; } = "";

    public int Sum { get; set; }

    public int Version { get; set; }
}

public sealed class TestDbContext(DbContextOptions<TestDbContext> options) : DbContext(options)
{
    public DbSet<Note> Notes => Set<Note>();

    public DbSet<Tally> Tallies => Set<Tally>();

    protected override void OnModelCreating(ModelBuilder modelBuilder)
    {
        modelBuilder.Entity<Tally>(tally =>
        {
            tally.HasKey(t => t.CorrelationId);
            tally.Property(t => t.CorrelationId).ValueGeneratedNever();
            tally.Property(t => t.Version).IsConcurrencyToken();
        });
        modelBuilder.AddTransactionalOutboxEntities();
    }
}
