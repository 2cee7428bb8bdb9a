using Microsoft.Data.SqlClient;

namespace ConcertSaga.SqlServer.Tests.Emulation;

/// <summary>A statement the product sent to SQL Server.</summary>
/// <param name="Owner">Whose database it was for.</param>
/// <param name="Text">T-SQL.</param>
/// <param name="Parameters">Its parameters, with their types.</param>
internal sealed record Statement(string Owner, string Text, IReadOnlyList<SqlParameter> Parameters);
