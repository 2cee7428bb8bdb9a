using MassTransit;
using MassTransit.EntityFrameworkCoreIntegration;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;

namespace ConcertSaga.Shared.Persistence.Tests.Hosts;

public sealed record ParcelWeighed(Guid Id, int Grams);

public interface IParcel : SagaStateMachineInstance
{
    string CurrentState { get; set; }

    int Grams { get; set; }
}

/// <summary>A saga with a row version in the style of SQL Server, for servers that generate none.</summary>
public sealed class Parcel : IParcel
{
    public Guid CorrelationId { get; set; }

    public string CurrentState { get; set; } = "";

    public int Grams { get; set; }

    public byte[] RowVersion { get; set; } = [];
}

/// <summary>A saga with PostgreSQL's own row version.</summary>
public sealed class Crate : IParcel
{
    public Guid CorrelationId { get; set; }

    public string CurrentState { get; set; } = "";

    public int Grams { get; set; }

    public uint RowVersion { get; set; }
}

public sealed class ParcelMap : SagaClassMap<Parcel>
{
    protected override void Configure(EntityTypeBuilder<Parcel> entity, ModelBuilder model)
    {
        entity.Property(parcel => parcel.CurrentState).HasMaxLength(64);
        entity.Property(parcel => parcel.RowVersion).IsRowVersion();
    }
}

public sealed class CrateMap : SagaClassMap<Crate>
{
    protected override void Configure(EntityTypeBuilder<Crate> entity, ModelBuilder model) =>
        entity.Property(crate => crate.RowVersion).HasColumnName("xmin").HasColumnType("xid").ValueGeneratedOnAddOrUpdate()
            .IsConcurrencyToken();
}

public sealed class ParcelDbContext(DbContextOptions<ParcelDbContext> options) : SagaDbContext(options)
{
    protected override IEnumerable<ISagaClassMap> Configurations
    {
        get { yield return new ParcelMap(); }
    }
}

public sealed class CrateDbContext(DbContextOptions<CrateDbContext> options) : SagaDbContext(options)
{
    protected override IEnumerable<ISagaClassMap> Configurations
    {
        get { yield return new CrateMap(); }
    }
}

public sealed class WeighingStateMachine<TParcel> : MassTransitStateMachine<TParcel>
    where TParcel : class, IParcel
{
    public WeighingStateMachine(Journal journal)
    {
        InstanceState(parcel => parcel.CurrentState);
        Event(() => ParcelWeighed, e => e.CorrelateById(context => context.Message.Id));
        Initially(When(ParcelWeighed).ThenAsync(context => AddAsync(context, journal)).TransitionTo(Packed));
        During(Packed, When(ParcelWeighed).ThenAsync(context => AddAsync(context, journal)));
    }

    public State Packed { get; } = null!;

    public Event<ParcelWeighed> ParcelWeighed { get; } = null!;

    private static async Task AddAsync(BehaviorContext<TParcel, ParcelWeighed> context, Journal journal)
    {
        journal.Note(context.Message);
        await journal.BeforeChange();
        context.Saga.Grams += context.Message.Grams;
    }
}
