using System.Security.Cryptography;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.ChangeTracking;
using Microsoft.EntityFrameworkCore.Metadata;

namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>Generates row versions on servers that generate none.</summary>
internal static class RowVersions
{
    private const string Ours = "MassTransit:RowVersion";

    public static void TakeOver(IMutableModel model)
    {
        foreach (var property in model.GetEntityTypes().Where(type => typeof(ISaga).IsAssignableFrom(type.ClrType))
            .SelectMany(type => type.GetProperties())
            .Where(property => property is { IsConcurrencyToken: true, ValueGenerated: ValueGenerated.OnAddOrUpdate }
                && property.ClrType == typeof(byte[])))
        {
            property.ValueGenerated = ValueGenerated.Never;
            property.SetAnnotation(Ours, true);
        }
    }

    /// <summary>Sets the next version of a changed saga.</summary>
    public static void Advance(DbContext database, object saga)
    {
        // Entry() compares every value with its original, so call it only for sagas with such a version.
        if (database.Model.FindEntityType(saga.GetType())?.GetProperties()
            .Any(property => property.FindAnnotation(Ours) is not null) is not false)
            Advance(database.Entry(saga));
    }

    /// <summary>Sets the next version of a new or changed saga.</summary>
    public static void Advance(EntityEntry saga)
    {
        foreach (var property in saga.Metadata.GetProperties())
        {
            if (property.FindAnnotation(Ours) is not null && saga.State is EntityState.Added or EntityState.Modified)
                saga.Property(property).CurrentValue = RandomNumberGenerator.GetBytes(8);
        }
    }
}
