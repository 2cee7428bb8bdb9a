using System.Text;
using System.Text.Encodings.Web;
using ConcertSaga.Contracts.Operations;
using ConcertSaga.Operations.Data;
using Microsoft.EntityFrameworkCore;

namespace ConcertSaga.Operations.Customers;

/// <summary>Erases a customer from the bodies of failed messages.</summary>
internal static class FailedMessageErasure
{
    private const int PageSize = 100;

    private static readonly JavaScriptEncoder[] Encoders = [JavaScriptEncoder.Default, JavaScriptEncoder.UnsafeRelaxedJsonEscaping];

    public static async Task<string?> ReplaceAsync(
        OperationsDbContext database, EraseCustomer command, CancellationToken cancellationToken)
    {
        // An id is a whole JSON string, so a part of another text stays.
        var written = Encoders.Select(encoder => TextOf(command.UserId, encoder)).DistinctBy(Convert.ToHexString).ToList();
        var to = TextOf(command.Pseudonym, JavaScriptEncoder.Default);
        var after = 0L;
        int read;
        do
        {
            var page = await database.FailedMessages.Where(message => message.FailedMessageId > after)
                .OrderBy(message => message.FailedMessageId).Take(PageSize)
                .Select(message => new { message.FailedMessageId, message.Body }).ToListAsync(cancellationToken);
            foreach (var message in page)
            {
                var body = written.Aggregate(message.Body, (current, from) => Replace(current, from, to));
                if (body != message.Body)
                    await database.FailedMessages.Where(row => row.FailedMessageId == message.FailedMessageId).ExecuteUpdateAsync(
                        set => set.SetProperty(row => row.Body, body).SetProperty(row => row.Size, body.Length), cancellationToken);
                after = message.FailedMessageId;
            }
            read = page.Count;
        }
        while (read == PageSize);
        return null;
    }

    private static byte[] TextOf(string id, JavaScriptEncoder encoder) => Encoding.UTF8.GetBytes($"\"{encoder.Encode(id)}\"");

    private static byte[] Replace(byte[] body, byte[] from, byte[] to)
    {
        if (body.AsSpan().IndexOf(from) < 0)
            return body;
        var replaced = new List<byte>(body.Length + to.Length);
        var rest = body.AsSpan();
        for (int at; (at = rest.IndexOf(from)) >= 0; rest = rest[(at + from.Length)..])
        {
            replaced.AddRange(rest[..at]);
            replaced.AddRange(to);
        }
        replaced.AddRange(rest);
        return [.. replaced];
    }
}
